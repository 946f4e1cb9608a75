#pragma once

#include <cstdint>

#include "base/time.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "tincan/options.h"

namespace tincan::session {

/// How one thread waits for what another process writes into shared memory: whether it looks for a
/// while before it sleeps. docs/decisions/0019-waiting.md.
///
/// To look for about as long as a sleep and a wake-up cost, and then to sleep, is never worse than
/// a few times the better of both. It is not done at all where it cannot help: when the other side
/// runs on this very CPU, when the last waits took longer than that, or when somebody else wanted
/// the CPU.
///
/// Threads: one at a time.
class SpinBudget {
 public:
  explicit SpinBudget(Waiting waiting) : waiting_(waiting) {}

  /// Whether to look before sleeping. `peer_cpu`: where the other side says that it runs.
  [[nodiscard]] bool is_worthwhile(std::uint32_t peer_cpu) const {
    if (waiting_ == Waiting::block) return false;
    if (waiting_ == Waiting::spin) return true;
    return confidence_ >= confidence_needed && peer_cpu != os::current_cpu();
  }
  /// The other kinds sleep when the budget is used up; this one only looks at other things.
  [[nodiscard]] bool never_sleeps() const { return waiting_ == Waiting::spin; }
  /// Looks until `something` is true. False: the budget is used up, or `until` has come.
  template <class Something>
  [[nodiscard]] bool look_for(Something something, Moment until);

  /// What a sleep turned out to take.
  void slept_since(Moment start) { learn(os::now().since(start) <= budget()); }

 private:
  /// Looks between two looks at the clock. Chosen: about 1 µs.
  static constexpr unsigned looks_a_moment = 16;
  /// A pause between two of them that no look takes: this thread was not running meanwhile.
  static constexpr Nanoseconds held_up = std::chrono::microseconds(200);
  static constexpr std::uint8_t confidence_needed = 4;
  static constexpr std::uint8_t confidence_most = 8;

  /// Twice what a wake-up costs, for the other side may have to be woken before it answers. With
  /// once, two sides that both sleep would never come to look.
  [[nodiscard]] static Nanoseconds budget() { return 2 * os::wake_up_cost(); }
  void learn(bool was_short) {
    if (!was_short) {
      confidence_ = confidence_ > 1 ? static_cast<std::uint8_t>(confidence_ - 2) : 0;
    } else if (confidence_ < confidence_most) {
      ++confidence_;
    }
  }

  const Waiting waiting_;
  std::uint8_t confidence_ = confidence_needed;
};

template <class Something>
bool SpinBudget::look_for(Something something, Moment until) {
  const Moment start = os::now();
  const Moment end = std::min(until, start + budget());
  for (Moment last = start;;) {
    for (unsigned i = 0; i < looks_a_moment; ++i) {
      if (something()) {
        learn(true);
        return true;
      }
      os::relax();
    }
    const Moment now = os::now();
    if (now.since(last) > held_up) {
      confidence_ = 0;  // others want the CPU
      return something();
    }
    if (now >= end) return false;
    last = now;
  }
}

}  // namespace tincan::session
