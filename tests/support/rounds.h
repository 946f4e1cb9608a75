#pragma once

#include <cstdlib>

namespace tincan::test {

/// How often a test repeats what only numbers show: `usual`, or `in_long` in `scripts/long stress`.
/// That is to fit the test's time limit under a sanitizer too.
inline int rounds(int usual, int in_long) {
  return std::getenv("TINCAN_LONG") != nullptr ? in_long : usual;
}

}  // namespace tincan::test
