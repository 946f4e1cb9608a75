#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace tincan {

/// Where buffers begin that the kernel copies into: at a cache line. Large blocks of malloc(3)
/// begin 16 bytes into a page, and to there AMD's Zen 3 copies so slowly that it was 5 % of a call
/// of 1 KB (docs/performance.md).
inline constexpr std::align_val_t buffer_alignment{64};

struct AlignedDelete {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, buffer_alignment); }
};
/// A buffer of bytes at a cache line; its contents are whatever was there.
using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;

[[nodiscard]] inline AlignedBytes aligned_bytes(std::size_t count) {
  return AlignedBytes(static_cast<std::byte*>(::operator new[](count, buffer_alignment)));
}

}  // namespace tincan
