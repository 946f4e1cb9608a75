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
  // Whoever is kept from running between two readings would see another difference. The shortest of
  // a few tries was not, or hardly.
  constexpr int tries_max = 8;
  constexpr std::int64_t short_enough = 10'000;
  std::int64_t shortest = INT64_MAX;
  std::int64_t difference = 0;
  for (int i = 0; i < tries_max && shortest > short_enough; ++i) {
    const std::int64_t before = read_clock(CLOCK_MONOTONIC);
    const std::int64_t real = read_clock(CLOCK_REALTIME);
    const std::int64_t took = read_clock(CLOCK_MONOTONIC) - before;
    if (took >= shortest) continue;
    shortest = took;
    difference = real - before - took / 2;
  }
  return difference;
}

}  // namespace tincan::os
