#pragma once

#include "tincan/descriptor.h"
#include "ways/demand.h"

namespace bench {

using tincan::Descriptor;

/// What `call` has returned, to be closed with its object. Throws what errno says when it failed.
[[nodiscard]] inline Descriptor opened(int number, const char* call) {
  demand(number >= 0, call);
  return Descriptor(number);
}

}  // namespace bench
