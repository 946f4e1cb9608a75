#pragma once

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>

#include "ways/clock.h"
#include "ways/shared_memory.h"

namespace bench {

/// What one side of a ring says of itself, apart from the other's words.
struct alignas(128) RingSide {
  std::atomic<std::uint64_t> position = 0;
  std::atomic<int> cpu = -1;
  alignas(128) std::atomic<std::uint32_t> asleep = 0;
};

/// One direction, in memory that both processes have.
struct ByteRing {
  static constexpr std::size_t capacity_max = std::size_t{4} << 20;
  RingSide producer;
  RingSide consumer;
  alignas(128) std::byte bytes[capacity_max];
};

/// Both, and how much of each is used: what is small stays in the cache.
struct RingPair {
  ByteRing there;
  ByteRing back;
};
[[nodiscard]] constexpr std::size_t ring_capacity(std::size_t message_bytes) {
  return message_bytes <= 32 * 1024 ? 256 * 1024 : ByteRing::capacity_max;
}

inline constexpr std::int64_t ring_look_nanoseconds = 50'000;

/// Waits until `something` is true; `own` is where the one who waits says that it sleeps.
template <class Something>
void ring_wait(RingWait wait, Something something, RingSide& own, const RingSide& peer) {
  while (!something()) {
    const bool looks =
        wait == RingWait::spin ||
        (wait == RingWait::aware && peer.cpu.load(std::memory_order_relaxed) != ::sched_getcpu());
    const std::int64_t end = looks ? now() + ring_look_nanoseconds : 0;
    while (looks && (wait == RingWait::spin || now() < end)) {
      for (int i = 0; i < 16; ++i) {
        if (something()) return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
      }
    }
    own.asleep.store(1, std::memory_order_seq_cst);
    if (!something()) {
      ::syscall(SYS_futex, &own.asleep, FUTEX_WAIT, 1, nullptr, nullptr, 0);
    }
    own.asleep.store(0, std::memory_order_relaxed);
  }
}

inline void ring_move(RingSide& own, RingSide& peer, std::uint64_t position) {
  own.cpu.store(::sched_getcpu(), std::memory_order_relaxed);
  own.position.store(position, std::memory_order_seq_cst);
  if (peer.asleep.load(std::memory_order_seq_cst) == 0) return;
  peer.asleep.store(0, std::memory_order_relaxed);
  ::syscall(SYS_futex, &peer.asleep, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

/// The producer's side.
class RingProducer {
 public:
  RingProducer(ByteRing& ring, std::size_t capacity, RingWait wait, std::size_t batch_bytes)
      : ring_(ring), capacity_(capacity), wait_(wait), batch_bytes_(batch_bytes) {}

  void put(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      if (room() == 0) {
        publish();
        ring_wait(wait_, [&] { return room() > 0; }, ring_.producer, ring_.consumer);
      }
      const std::size_t at = written_ % capacity_;
      const std::size_t count = std::min({bytes.size(), room(), capacity_ - at});
      std::memcpy(ring_.bytes + at, bytes.data(), count);
      written_ += count;
      bytes = bytes.subspan(count);
    }
    if (written_ - published_ >= batch_bytes_) publish();
  }
  void publish() {
    if (published_ != written_) ring_move(ring_.producer, ring_.consumer, published_ = written_);
  }

 private:
  /// The consumer's position is looked at when there seems to be no room.
  [[nodiscard]] std::size_t room() {
    if (written_ - consumed_ == capacity_) {
      consumed_ = ring_.consumer.position.load(std::memory_order_seq_cst);
    }
    return capacity_ - (written_ - consumed_);
  }

  ByteRing& ring_;
  const std::size_t capacity_;
  const RingWait wait_;
  const std::size_t batch_bytes_;
  std::uint64_t written_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t consumed_ = 0;
};

/// The consumer's side. What it took it gives back with the next wait, or after half a ring.
class RingConsumer {
 public:
  RingConsumer(ByteRing& ring, std::size_t capacity, RingWait wait)
      : ring_(ring), capacity_(capacity), wait_(wait) {}

  void take(std::span<std::byte> room) {
    while (!room.empty()) {
      if (there() == 0) {
        give_back();
        ring_wait(wait_, [&] { return there() > 0; }, ring_.consumer, ring_.producer);
      }
      const std::size_t at = taken_ % capacity_;
      const std::size_t count = std::min({room.size(), there(), capacity_ - at});
      std::memcpy(room.data(), ring_.bytes + at, count);
      taken_ += count;
      room = room.subspan(count);
      if (taken_ - given_back_ >= capacity_ / 2) give_back();
    }
  }

 private:
  [[nodiscard]] std::size_t there() {
    if (taken_ == produced_) produced_ = ring_.producer.position.load(std::memory_order_seq_cst);
    return produced_ - taken_;
  }
  void give_back() {
    if (given_back_ != taken_) ring_move(ring_.consumer, ring_.producer, given_back_ = taken_);
  }

  ByteRing& ring_;
  const std::size_t capacity_;
  const RingWait wait_;
  std::uint64_t taken_ = 0;
  std::uint64_t given_back_ = 0;
  std::uint64_t produced_ = 0;
};

}  // namespace bench
