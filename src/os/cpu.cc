#include "os/cpu.h"

#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "os/clock.h"

namespace tincan::os {

namespace {

/// How much later than asked a sleep ends: the CPU leaves its idle state, takes the interrupt of
/// the timer and switches to us, as it would for a wake-up by somebody else.
Nanoseconds measure() {
  static constexpr Nanoseconds asked = std::chrono::microseconds(50);
  static constexpr timespec interval{0, asked.count()};
  // By default the kernel lets sleeps end up to 50 µs later than asked, to wake up less often.
  const int slack = ::prctl(PR_GET_TIMERSLACK);
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  std::array<Nanoseconds, 9> late;
  for (Nanoseconds& each : late) {
    const Moment start = now();
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, nullptr);
    each = now().since(start) - asked;
  }
  if (slack > 0) ::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack));
  std::ranges::nth_element(late, late.begin() + late.size() / 2);
  return late[late.size() / 2];
}

}  // namespace

std::uint32_t current_cpu() {
  const int cpu = ::sched_getcpu();
  return cpu < 0 ? UINT32_MAX : static_cast<std::uint32_t>(cpu);
}

Nanoseconds wake_up_cost() {
  static constexpr Nanoseconds least = std::chrono::microseconds(5);
  static constexpr Nanoseconds most = std::chrono::microseconds(100);
  // Two threads may measure at once. A constant would have a guard, on which a child would wait for
  // ever that is forked while another thread measures.
  static std::atomic<std::int64_t> measured = 0;
  std::int64_t cost = measured.load(std::memory_order_relaxed);
  if (cost == 0) {
    cost = std::clamp(measure(), least, most).count();
    measured.store(cost, std::memory_order_relaxed);
  }
  return Nanoseconds(cost);
}

}  // namespace tincan::os
