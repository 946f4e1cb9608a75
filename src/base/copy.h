#pragma once

#include <cstddef>
#include <cstring>

namespace tincan {

/// memcpy for what is mostly a name: up to 16 bytes are copied in line, in two halves that overlap.
[[gnu::always_inline]] inline void copy_short(void* to, const void* from, std::size_t bytes) {
  auto* const out = static_cast<char*>(to);
  const auto* const in = static_cast<const char*>(from);
  const auto halves = [&]<class Half>(Half first, Half last) {
    std::memcpy(&first, in, sizeof first);
    std::memcpy(&last, in + bytes - sizeof last, sizeof last);
    std::memcpy(out, &first, sizeof first);
    std::memcpy(out + bytes - sizeof last, &last, sizeof last);
  };
  if (bytes > 16) [[unlikely]] {
    std::memcpy(out, in, bytes);
  } else if (bytes >= 8) {
    halves(0ull, 0ull);
  } else if (bytes >= 4) {
    halves(0u, 0u);
  } else {
    for (std::size_t i = 0; i < bytes; ++i) out[i] = in[i];
  }
}

}  // namespace tincan
