#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

/// What stands in the shared memory of a ring. Specified in docs/ring-layout.md; change both or
/// neither.
///
/// There are two memories for a connection, one for each side to write in and for the other to
/// read: a page with its positions, then the bytes of the ring in which it is the producer. So no
/// side writes what the other believes about itself.
namespace tincan::ring {

/// Between words that different sides write or wait for: two cache lines, for the CPU fetches them
/// in pairs.
inline constexpr std::size_t separation_bytes = 128;
/// Where the bytes of the ring begin: a page, the least that can be mapped.
inline constexpr std::size_t ring_offset_bytes = 4096;

/// Of one ring. The smallest takes a whole frame and as much again, so that two frames can be under
/// way; the largest still lies in the second-level cache of most machines, in both directions
/// (16 MB fall out of it: shared/performance.md). Powers of two.
inline constexpr std::size_t capacity_bytes_min = 256 * 1024;
inline constexpr std::size_t capacity_bytes_max = 8 * 1024 * 1024;

[[nodiscard]] constexpr bool is_capacity(std::uint64_t bytes) {
  const bool power_of_two = (bytes & (bytes - 1)) == 0;
  return power_of_two && bytes >= capacity_bytes_min && bytes <= capacity_bytes_max;
}

/// What a side's `sleep` word says; above these bits it counts how often it fell asleep.
enum Sleep : std::uint32_t {
  sleeps_for_bytes = 1,  ///< Wake it when something was published,
  sleeps_for_room = 2,   ///< or taken out of its ring.
  ring_revoked = 4,      ///< It takes nothing more out of the other's ring.
};
inline constexpr std::uint32_t sleep_count_step = 8;

/// The atomics of the ring as it is used. Tests put others in their place: one in which every load
/// is a fuzzer's, one that goes through all orders in which two CPUs may see each other.
struct CpuAtomics {
  template <class T>
  using Word = std::atomic<T>;
  static void copy(std::byte* to, const std::byte* from, std::size_t count) {
    std::memcpy(to, from, count);
  }
};

/// One side's words. Only that side stores; the other loads each of them once, and believes it
/// within its bounds.
template <class Atomics>
struct BasicWords {
  template <class T>
  using Word = typename Atomics::template Word<T>;

  /// Bytes published in this side's ring since it began. Never wraps: 2^64 bytes are centuries.
  alignas(separation_bytes) Word<std::uint64_t> produced{0};
  /// How many sets of descriptors went over the socket for bytes that are published.
  Word<std::uint32_t> descriptor_sets{0};
  /// Bytes taken out of the other side's ring.
  alignas(separation_bytes) Word<std::uint64_t> consumed{0};
  /// See Sleep. Written seldom, so that it stays in the other side's cache.
  alignas(separation_bytes) Word<std::uint32_t> sleep{0};
  /// Where this side runs: a number to compare, never to index with. `cpu_unknown` until it says.
  Word<std::uint32_t> cpu{UINT32_MAX};
};
inline constexpr std::uint32_t cpu_unknown = UINT32_MAX;

using Words = BasicWords<CpuAtomics>;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<std::uint64_t>) == 8 && sizeof(std::atomic<std::uint32_t>) == 4);
static_assert(std::is_standard_layout_v<Words> && sizeof(Words) <= ring_offset_bytes);
static_assert(offsetof(Words, produced) == 0 && offsetof(Words, descriptor_sets) == 8);
static_assert(offsetof(Words, consumed) == separation_bytes);
static_assert(offsetof(Words, sleep) == 2 * separation_bytes);
static_assert(offsetof(Words, cpu) == 2 * separation_bytes + 4);

}  // namespace tincan::ring
