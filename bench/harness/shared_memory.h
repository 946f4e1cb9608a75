#pragma once

#include <cstddef>

namespace bench {

/// Zeros that this process shares with those that it forks, for as long as they live. Every page
/// is there before it counts.
[[nodiscard]] void* shared_memory(std::size_t bytes);

/// An object in it, all of whose bytes are 0.
template <class Object>
[[nodiscard]] Object& shared() {
  return *static_cast<Object*>(shared_memory(sizeof(Object)));
}

}  // namespace bench
