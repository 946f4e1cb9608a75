#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json.h"

namespace cli {

/// What the figures depend on. What cannot be found out is null.
[[nodiscard]] Json describe_machine();

/// The time that others have taken from this virtual machine, as part of all its time since
/// `begin`.
class StolenTime {
 public:
  StolenTime();
  [[nodiscard]] double share() const;

 private:
  struct Times {
    std::uint64_t all = 0;
    std::uint64_t stolen = 0;
  };
  [[nodiscard]] static Times read();
  Times start_;
};

/// Why the figures may tell little, in sentences. `results` has its machine and its tables.
[[nodiscard]] std::vector<std::string> warnings_about(const Json& results, double stolen);

}  // namespace cli
