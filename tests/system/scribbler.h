#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <thread>

#include "os/cpu.h"
#include "ring/layout.h"

namespace tincan::test {

/// What a scribbler writes over.
enum class Manner : std::uint8_t {
  hints,  ///< The words that are believed in nothing: `sleep`, but for the revocation, and `cpu`.
  bytes,  ///< The bytes of the ring.
  positions,  ///< `produced`, `descriptor_sets` and `consumed`, often by a little.
  words,      ///< The whole page of words.
  anything,   ///< Words and bytes, and the other side's as well if it can.
};
inline constexpr Manner manners[] = {Manner::hints, Manner::bytes, Manner::positions, Manner::words,
                                     Manner::anything};
inline const char* name_of(Manner manner) {
  constexpr const char* names[] = {"hints", "bytes", "positions", "words", "anything"};
  return names[static_cast<std::size_t>(manner)];
}

/// Random words for memory that others use meanwhile.
class Scribbles {
 public:
  /// `memory`: what a side writes in, with its words; `of_the_other` may be empty.
  Scribbles(Manner manner, std::span<std::byte> memory, std::span<std::byte> of_the_other,
            std::uint64_t seed)
      : manner_(manner), memory_(memory), of_the_other_(of_the_other), random_(seed) {}

  /// Writes one of them, or a few.
  void next() {
    switch (manner_) {
      case Manner::hints:
        return scribble_hint();
      case Manner::bytes:
        return store(memory_, somewhere(ring::ring_offset_bytes, memory_.size()), random_());
      case Manner::positions:
        return scribble_position();
      case Manner::words:
        return store(memory_, somewhere(0, words_bytes), static_cast<std::uint32_t>(random_()));
      default:
        store(memory_, somewhere(0, memory_.size()), random_());
        if (of_the_other_.empty()) return;
        store(of_the_other_, somewhere(0, of_the_other_.size()), random_());
        store(of_the_other_, somewhere(0, words_bytes), static_cast<std::uint32_t>(random_()));
    }
  }

 private:
  static constexpr std::size_t words_bytes = 3 * ring::separation_bytes;

  void scribble_hint() {
    const auto word = static_cast<std::uint32_t>(random_());
    if (random_() % 2 == 0) return store(memory_, offsetof(ring::Words, cpu), word);
    store(memory_, offsetof(ring::Words, sleep), word & ~std::uint32_t{ring::ring_revoked});
  }
  void scribble_position() {
    const std::size_t places[] = {offsetof(ring::Words, produced), offsetof(ring::Words, consumed),
                                  offsetof(ring::Words, descriptor_sets)};
    const std::size_t place = places[random_() % 3];
    const std::uint64_t values[] = {random_(),
                                    0,
                                    ~0ull,
                                    load(place) + random_() % 64,
                                    load(place) - random_() % 64,
                                    load(place) + (1 << 18)};
    store(memory_, place, values[random_() % std::size(values)]);
  }
  std::size_t somewhere(std::size_t begin, std::size_t end) {
    return begin + random_() % ((end - begin) / 4) * 4;
  }
  // Not for the sanitizer's eyes: this is the race that it is about.
  template <class T>
  [[gnu::no_sanitize("thread")]] static void store(std::span<std::byte> memory, std::size_t at,
                                                   T value) {
    at = std::min(at, memory.size() - sizeof value);
    const auto words = std::bit_cast<std::array<std::uint32_t, sizeof value / 4>>(value);
    for (const std::uint32_t word : words) {
      *reinterpret_cast<volatile std::uint32_t*>(memory.data() + at) = word;
      at += 4;
    }
  }
  [[nodiscard, gnu::no_sanitize("thread")]] std::uint64_t load(std::size_t at) const {
    return *reinterpret_cast<const volatile std::uint64_t*>(memory_.data() + at);
  }

  const Manner manner_;
  const std::span<std::byte> memory_;
  const std::span<std::byte> of_the_other_;
  std::mt19937_64 random_;
};

/// A thread that writes them, from the moment that `progress` has come to `from`.
class Scribbler {
 public:
  Scribbler(Scribbles scribbles, const std::atomic<std::uint64_t>& progress, std::uint64_t from)
      : thread_([scribbles, &progress, from](const std::stop_token& stop) mutable {
          while (progress < from && !stop.stop_requested()) os::relax();
          while (!stop.stop_requested()) {
            scribbles.next();
            for (int i = 0; i < 20; ++i) os::relax();
          }
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace tincan::test
