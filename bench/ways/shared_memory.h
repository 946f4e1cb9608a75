#pragma once

#include "ways/way.h"

namespace bench {

/// How a side of a ring in shared memory waits for the other.
enum class RingWait : std::uint8_t {
  spin,   ///< Looks until it comes: burns a CPU.
  sleep,  ///< futex(2), at once.
  aware,  ///< Looks for up to 50 µs, unless the other side runs on this very CPU; then sleeps.
};

/// A ring of bytes for each direction, each message published at once. No checks, no limits.
[[nodiscard]] std::unique_ptr<Way> make_shared_memory_way(RingWait wait);
/// The same, published whenever 32 KiB are full, or somebody waits.
[[nodiscard]] std::unique_ptr<Way> make_batched_memory_way();
/// The same in a mapped file, which the kernel writes to the disk when it likes.
[[nodiscard]] std::unique_ptr<Way> make_mapped_file_way();
/// A new file in memory for each payload, sealed, and passed over a socket.
[[nodiscard]] std::unique_ptr<Way> make_memory_file_way();

}  // namespace bench
