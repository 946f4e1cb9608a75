#pragma once

#include <cstdint>
#include <ctime>

namespace bench {

/// CLOCK_MONOTONIC in nanoseconds.
[[nodiscard]] inline std::int64_t now() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace bench
