#pragma once

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "harness/samples.h"
#include "harness/sizes.h"

/// Messages of one size through a ring in shared memory. Who waits says where it runs, spins for up
/// to 50 µs unless the other side runs on the same CPU, and then sleeps in a futex(2). No checks,
/// no limits, no descriptors.
namespace bench {

inline constexpr std::size_t futex_ring_bytes = 256 * 1024;
inline constexpr std::int64_t spin_nanoseconds = 50'000;

/// One direction. The words of the two sides lie apart.
struct FutexRing {
  alignas(128) std::atomic<std::uint64_t> produced;
  alignas(128) std::atomic<std::uint64_t> consumed;
  alignas(128) std::atomic<std::uint32_t> asleep;
  std::atomic<std::uint32_t> producer_cpu;
  alignas(128) char bytes[futex_ring_bytes];
};

inline long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation, value, nullptr,
                 nullptr, 0);
}

/// `asleep` is where the consumer says that it sleeps.
inline void put(FutexRing& ring, const char* bytes, std::uint64_t& position,
                std::atomic<std::uint32_t>& asleep) {
  std::memcpy(ring.bytes + position % futex_ring_bytes, bytes, payload_bytes);
  position += payload_bytes;
  ring.producer_cpu.store(static_cast<std::uint32_t>(sched_getcpu()), std::memory_order_relaxed);
  ring.produced.store(position, std::memory_order_seq_cst);
  if (asleep.load(std::memory_order_seq_cst) != 0) {
    asleep.store(0, std::memory_order_relaxed);
    futex(asleep, FUTEX_WAKE, 1);
  }
}

inline bool has_come(const FutexRing& ring, std::uint64_t position) {
  return ring.produced.load(std::memory_order_seq_cst) != position;
}

inline bool is_elsewhere(const FutexRing& ring) {
  const auto cpu = static_cast<std::uint32_t>(sched_getcpu());
  return ring.producer_cpu.load(std::memory_order_relaxed) != cpu;
}

/// Looks until `something` is true, or for 50 µs.
template <class Something>
bool spin(Something something) {
  const std::int64_t end = now() + spin_nanoseconds;
  do {
    for (int i = 0; i < 16; ++i) {
      if (something()) return true;
      __builtin_ia32_pause();
    }
  } while (now() < end);
  return false;
}

/// Sleeps unless `something` is true.
template <class Something>
void sleep_unless(Something something, std::atomic<std::uint32_t>& asleep) {
  asleep.store(1, std::memory_order_seq_cst);
  if (!something()) futex(asleep, FUTEX_WAIT, 1);
  asleep.store(0, std::memory_order_relaxed);
}

inline void copy_out(FutexRing& ring, char* bytes, std::uint64_t& position) {
  std::memcpy(bytes, ring.bytes + position % futex_ring_bytes, payload_bytes);
  position += payload_bytes;
  ring.consumed.store(position, std::memory_order_release);
}

inline void take(FutexRing& ring, char* bytes, std::uint64_t& position) {
  const auto has_something_come = [&] { return has_come(ring, position); };
  while (!has_something_come()) {
    if (is_elsewhere(ring) && spin(has_something_come)) break;
    sleep_unless(has_something_come, ring.asleep);
  }
  copy_out(ring, bytes, position);
}

}  // namespace bench
