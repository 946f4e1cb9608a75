#pragma once

#include <atomic>
#include <cstdint>

namespace tincan::os {

/// A lock that costs one atomic operation to take and one to give back while nobody else wants it,
/// both inlined: std::mutex takes some 140 instructions of a call, in functions of its own.
///
/// Not fair and not recursive, like std::mutex. Whoever waits sleeps on a futex. Private to the
/// process.
class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  [[nodiscard]] bool try_lock() {
    std::uint32_t expected = free;
    return word_.compare_exchange_strong(expected, taken, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void lock() {
    if (!try_lock()) wait();
  }
  void unlock() {
    if (word_.exchange(free, std::memory_order_release) == wanted) wake_one();
  }

 private:
  enum Word : std::uint32_t {
    free,
    taken,
    wanted,  ///< Taken, and somebody sleeps for it, or is about to.
  };

  [[gnu::cold, gnu::noinline]] void wait();
  [[gnu::cold, gnu::noinline]] void wake_one();

  std::atomic<std::uint32_t> word_ = free;
};

}  // namespace tincan::os
