#pragma once

#include <cstdint>
#include <string>

namespace tincan::protocol {

/// Words for something that exceeds a limit; apart from the calls that hardly ever need it, which
/// are short without.
[[gnu::cold, gnu::noinline]] inline std::string excess(const char* what, std::uint64_t count,
                                                       const char* who_takes, std::uint64_t limit) {
  return what + std::to_string(count) + who_takes + std::to_string(limit);
}

}  // namespace tincan::protocol
