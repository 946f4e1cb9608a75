#include "os/clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace {

/// Clocks that advance a little with every look, and much before the look with that number.
struct ScriptedClocks {
  static constexpr std::int64_t difference = 1'700'000'000'123'456'789;
  static constexpr std::int64_t step = 100;
  static constexpr std::int64_t pause = 100'000'000;
  int paused_look = 0;
  int looks = 0;
  std::int64_t monotonic = 5'000'000'000;

  std::int64_t read(clockid_t clock) {
    monotonic += looks++ == paused_look ? pause : step;
    return clock == CLOCK_REALTIME ? monotonic + difference : monotonic;
  }
};

thread_local ScriptedClocks* scripted_clocks = nullptr;

}  // namespace

// The C library's, replaced for this program, and as it was for whoever has no script.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (scripted_clocks == nullptr)
    return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  const std::int64_t nanoseconds = scripted_clocks->read(clock);
  time->tv_sec = nanoseconds / 1'000'000'000;
  time->tv_nsec = nanoseconds % 1'000'000'000;
  return 0;
}

namespace tincan::os {

namespace {

/// What realtime_minus_monotonic() is off by, when its thread does not run for 100 ms before a
/// look.
std::int64_t error_with_a_pause_before(int look) {
  ScriptedClocks clocks{.paused_look = look};
  scripted_clocks = &clocks;
  const std::int64_t difference = realtime_minus_monotonic();
  scripted_clocks = nullptr;
  return std::abs(difference - ScriptedClocks::difference);
}

TEST(Clocks, DifferByWhatTheyDoAlsoWhenTheThreadPausesBetweenTwoLooks) {
  for (int look = 0; look < 10; ++look) {
    EXPECT_LE(error_with_a_pause_before(look), 10 * ScriptedClocks::step) << "look " << look;
  }
}

}  // namespace

}  // namespace tincan::os
