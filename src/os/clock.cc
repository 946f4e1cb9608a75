#include "os/clock.h"

#include <ctime>

namespace tincan::os {

namespace {
std::int64_t read_clock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}
}  // namespace

Moment now() { return Moment(read_clock(CLOCK_MONOTONIC)); }

std::int64_t realtime_minus_monotonic() {
  return read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
}

}  // namespace tincan::os
