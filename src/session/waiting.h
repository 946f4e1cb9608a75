#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/time.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "tincan/options.h"

namespace tincan::session {

/// How one thread waits for what another process writes into shared memory: whether it looks for a
/// while before it sleeps. docs/decisions/0019-waiting.md.
///
/// To look for a few times as long as a sleep and a wake-up cost, and then to sleep, is never worse
/// than as many times the better of both. It is not done at all where it cannot help: when the
/// other side runs on this very CPU, when the last waits took longer than that, or when somebody
/// else wanted the CPU.
///
/// Threads: one at a time.
class SpinBudget {
 public:
  explicit SpinBudget(Waiting waiting) : waiting_(waiting) {}

  /// Whether to look before sleeping. `peer_cpu`: where the other side says that it runs.
  [[nodiscard]] bool is_worthwhile(std::uint32_t peer_cpu) const {
    return waiting_ != Waiting::block && is_worthwhile(peer_cpu, os::current_cpu());
  }
  /// The same for who knows where this side runs.
  [[nodiscard]] bool is_worthwhile(std::uint32_t peer_cpu, std::uint32_t cpu) const {
    if (waiting_ == Waiting::block) return false;
    if (waiting_ == Waiting::spin) return true;
    return confidence_ >= confidence_needed && peer_cpu != unknown_cpu && peer_cpu != cpu;
  }
  /// It never looks, and need not be told how long it slept.
  [[nodiscard]] bool always_sleeps() const { return waiting_ == Waiting::block; }
  /// The other kinds sleep when the budget is used up; this one only looks at other things.
  [[nodiscard]] bool never_sleeps() const { return waiting_ == Waiting::spin; }
  /// Looks until `something` is true. False: the budget is used up, or `until` has come.
  template <class Something>
  [[nodiscard]] bool look_for(Something something, Moment until);
  /// The same for who has looked at the clock just now, at `start`.
  template <class Something>
  [[nodiscard]] bool look_for(Something something, Moment start, Moment until);

  /// How long `look_for` has looked, the last time: 0 when no longer than it takes to tell.
  [[nodiscard]] Nanoseconds looked() const { return looked_; }

  /// What a sleep turned out to take.
  void slept_since(Moment start) { learn(os::now().since(start) <= budget()); }

 private:
  /// Looks between two looks at the clock. Chosen: about 1 µs.
  static constexpr unsigned looks_a_moment = 16;
  /// A pause between two of them that no look takes: this thread was not running meanwhile.
  static constexpr Nanoseconds held_up = std::chrono::microseconds(200);
  static constexpr std::uint32_t unknown_cpu = UINT32_MAX;
  static constexpr std::uint8_t confidence_needed = 4;
  static constexpr std::uint8_t confidence_most = 8;

  /// A wait of eight wake-ups is made an eighth longer by one more, and longer waits by less; a
  /// fifth is what it may be (G4), and the cost is measured to some tenths. It is more than two
  /// wake-ups, too: the other side may have to be woken before it answers, and with less, two sides
  /// that both sleep would never come to look.
  [[nodiscard]] static Nanoseconds budget() { return 8 * os::wake_up_cost(); }
  template <class Something>
  [[nodiscard]] bool look_a_moment(Something& something);
  void learn(bool was_short) {
    if (!was_short) {
      confidence_ = confidence_ > 1 ? static_cast<std::uint8_t>(confidence_ - 2) : 0;
    } else if (confidence_ < confidence_most) {
      ++confidence_;
    }
  }

  const Waiting waiting_;
  std::uint8_t confidence_ = confidence_needed;
  Nanoseconds looked_{0};
};

/// How much of a loop's time one uid's messages may be looked for in vain: an eighth of a CPU, on
/// all loops together. Whoever lets a server look longer than a sleep and a wake-up would have cost
/// it pays for the rest, and when the allowance is used up nobody looks for his messages for a
/// while: they wake the loop instead. Without it a false CPU, or a message just before each look
/// ends, would buy all of a CPU.
///
/// Threads: any.
class LookAllowance {
 public:
  [[nodiscard]] bool is_left(Moment now) const {
    return used_until_.load(std::memory_order_relaxed) < (now + at_once * parts).nanoseconds();
  }
  /// Of a look that has taken so long and was for so many connections: what is charged for each.
  /// Rounded up, so that nobody pays less by having more of them.
  [[nodiscard]] static Nanoseconds share(Nanoseconds looked, int connections) {
    if (looked <= free) return Nanoseconds(0);
    return (looked - free + Nanoseconds(connections - 1)) / connections;
  }
  /// Somebody has been looked for, until `now`, for so much longer than is free.
  void charge(Moment now, Nanoseconds paid) {
    std::int64_t before = used_until_.load(std::memory_order_relaxed);
    while (!used_until_.compare_exchange_weak(
        before, std::max(before, now.nanoseconds()) + paid.count() * parts,
        std::memory_order_relaxed)) {
    }
  }

  /// Of one look, for all that it is for: the CPU time of a sleep and a wake-up. Chosen: a little
  /// less than a round trip that sleeps on both sides takes on one CPU (9 µs,
  /// shared/performance.md) above one that does not (3).
  static constexpr Nanoseconds free = std::chrono::microseconds(5);

 private:
  static constexpr std::int64_t parts = 8;  ///< Chosen.
  /// What may be used at once. Chosen: some sixty looks in vain, each of eight wake-ups of 20 µs.
  static constexpr Nanoseconds at_once = std::chrono::milliseconds(10);

  /// If it were used evenly, it would be used up to then.
  std::atomic<std::int64_t> used_until_ = 0;
};

template <class Something>
bool SpinBudget::look_a_moment(Something& something) {
  for (unsigned i = 0; i < looks_a_moment; ++i) {
    if (something()) {
      learn(true);
      return true;
    }
    os::relax();
  }
  return false;
}

/// What comes at once costs no look at the clock, which takes as long as two looks.
template <class Something>
bool SpinBudget::look_for(Something something, Moment until) {
  looked_ = Nanoseconds(0);
  return look_a_moment(something) || look_for(something, os::now(), until);
}

template <class Something>
bool SpinBudget::look_for(Something something, Moment start, Moment until) {
  const Moment end = std::min(until, start + budget());
  looked_ = Nanoseconds(0);
  for (Moment last = start;;) {
    if (look_a_moment(something)) return true;
    const Moment now = os::now();
    if (now.since(last) > held_up) {
      confidence_ = 0;  // others want the CPU
      return something();
    }
    looked_ = now.since(start);
    if (now >= end) return false;
    last = now;
  }
}

}  // namespace tincan::session
