#pragma once

#include "tincan/failure.h"

namespace tincan::session {

/// Why a connection ends whose peer wrote nonsense into its shared memory, or on the socket beside.
[[nodiscard, gnu::cold, gnu::noinline]] inline Failure ring_breach() {
  return Failure(Cause::breach, "positions of a ring, or descriptors for it, that cannot be");
}

}  // namespace tincan::session
