#pragma once

#include <span>
#include <utility>
#include <vector>

#include "tincan/descriptor.h"
#include "tincan/failure.h"

namespace tincan::session {

/// Not inline in the usual sense: calls that carry no descriptors should not pay for it.
[[gnu::noinline]] inline Result<std::vector<Descriptor>> duplicates(
    std::span<const Descriptor> descriptors) {
  std::vector<Descriptor> copies;
  copies.reserve(descriptors.size());
  for (const Descriptor& descriptor : descriptors) {
    auto copy = descriptor.duplicate();
    if (!copy) return std::unexpected(std::move(copy.error()));
    copies.push_back(std::move(*copy));
  }
  return copies;
}

}  // namespace tincan::session
