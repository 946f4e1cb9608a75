#pragma once

#include <cstddef>
#include <vector>

#include "os/memory.h"

namespace tincan::session {

/// Mappings over this are not taken down on a loop: 1 MiB takes 20 to 70 µs, a GiB as many
/// milliseconds. docs/decisions/0021-loans.md.
inline constexpr std::size_t teardown_bytes_on_loop_max = std::size_t{1} << 20;

/// Unmaps what nobody needs any more: here, and if this is a loop's turn and there is much of it,
/// on a thread of its own.
void tear_down(std::vector<os::Mapping>&& mappings) noexcept;
void tear_down(os::Mapping&& mapping) noexcept;

}  // namespace tincan::session
