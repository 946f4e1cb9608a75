#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ways/clock.h"

namespace bench {

/// How long each of many operations took, in nanoseconds. Every sample is kept, so quantiles are
/// exact; the memory is touched beforehand, so that no page fault falls into a measurement.
class Samples {
 public:
  explicit Samples(std::size_t capacity = 0);

  /// The next operation begins now.
  void begin() { last_ = now(); }
  /// An operation ends, and the next one begins: one look at the clock for both.
  void lap() {
    const std::int64_t time = now();
    add(time - last_);
    last_ = time;
  }
  void add(std::int64_t nanoseconds) {
    nanoseconds_.push_back(static_cast<std::uint32_t>(nanoseconds));
  }
  void add(const Samples& others);
  void clear() { nanoseconds_.clear(); }

  /// The smallest sample that at least `fraction` of all do not exceed; 0 when there are none.
  [[nodiscard]] std::uint32_t quantile(double fraction);

 private:
  std::int64_t last_ = 0;
  std::vector<std::uint32_t> nanoseconds_;
};

}  // namespace bench
