#pragma once

#include <expected>
#include <string>
#include <utility>

#include "tincan/failure.h"

namespace tincan::protocol {

/// The end of a connection whose peer broke the protocol: `what` it did.
[[nodiscard, gnu::cold, gnu::noinline]] inline std::unexpected<Failure> breach(std::string what) {
  return std::unexpected(Failure(Cause::breach, std::move(what)));
}

}  // namespace tincan::protocol
