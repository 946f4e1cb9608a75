#include "os/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

#include "os/seam.h"

namespace tincan::os {

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, Moment deadline) {
  if (before(Call::futex) != 0) return;
  timespec until;
  until.tv_sec = deadline.nanoseconds() / 1'000'000'000;
  until.tv_nsec = deadline.nanoseconds() % 1'000'000'000;
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, FUTEX_WAIT a relative one.
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_BITSET_PRIVATE, expected,
          deadline.is_never() ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

namespace {
void wake(std::atomic<std::uint32_t>& word, int sleepers_max) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, sleepers_max,
          nullptr, nullptr, 0);
}
}  // namespace

void futex_wake(std::atomic<std::uint32_t>& word) { wake(word, 1); }

void futex_wake_all(std::atomic<std::uint32_t>& word) { wake(word, INT_MAX); }

}  // namespace tincan::os
