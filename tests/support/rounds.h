#pragma once

#include <cstdlib>

namespace tincan::test {

/// How often a test repeats what only numbers show: `usual`, or `in_long` in `scripts/long stress`.
/// That is to fit the test's time limit under a sanitizer too.
inline int rounds(int usual, int in_long) {
  return std::getenv("TINCAN_LONG") != nullptr ? in_long : usual;
}

/// By how much to divide counts that take too long under ThreadSanitizer.
#ifdef __SANITIZE_THREAD__
inline constexpr int thread_sanitizer_slowness = 10;
#else
inline constexpr int thread_sanitizer_slowness = 1;
#endif

}  // namespace tincan::test
