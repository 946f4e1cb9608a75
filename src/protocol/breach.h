#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "tincan/failure.h"

namespace tincan::protocol {

/// The end of a connection whose peer broke the protocol: `what` it did.
[[nodiscard, gnu::cold, gnu::noinline]] inline std::unexpected<Failure> breach(
    std::string_view what) {
  return std::unexpected(Failure(Cause::breach, std::string(what)));
}

/// The same for what its shared memory said, or what came over the socket beside it.
[[nodiscard, gnu::cold, gnu::noinline]] inline Failure ring_breach() {
  return Failure(Cause::breach, "positions of a ring, or descriptors for it, that cannot be");
}

}  // namespace tincan::protocol
