#pragma once

#include <string>

#include "unit/ring/model_atomics.h"

namespace tincan::ring::test {

/// One line of a trace.
struct Step {
  std::size_t thread = 0;
  Operation operation;
  Result result;
  std::size_t newest = 0;  ///< For a load: the store that it would find if nothing was stale.
  bool is_death = false;   ///< Instead of the operation.
};

/// As people read it: the thread, what it did, where, and with which value.
[[nodiscard]] std::string describe(const Step& step);

}  // namespace tincan::ring::test
