#pragma once

#include <chrono>
#include <thread>

namespace tincan::test {

/// Long enough for the slowest machine under a sanitizer; a test that waits so long has failed.
inline constexpr std::chrono::seconds patience{20};

/// Looks until `condition` holds. False: it did not within `deadline`.
template <class Condition>
bool eventually(Condition condition, std::chrono::nanoseconds deadline = patience) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace tincan::test
