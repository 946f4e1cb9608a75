#include "base/buffer.h"

#include <algorithm>
#include <cstdint>

namespace tincan {

void Buffer::grow(std::size_t count) {
  if (count > SIZE_MAX / 4 - size_) throw std::bad_alloc();
  const std::size_t capacity = std::max(size_ + count, 2 * capacity_);
  auto* const grown = static_cast<std::byte*>(std::malloc(capacity));
  if (grown == nullptr) throw std::bad_alloc();
  if (size_ > 0) std::memcpy(grown, start_, size_);
  std::free(std::exchange(start_, grown));
  capacity_ = capacity;
}

}  // namespace tincan
