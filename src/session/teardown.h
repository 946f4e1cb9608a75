#pragma once

#include <cstddef>

#include "os/memory.h"
#include "os/process.h"
#include "session/memory_budget.h"

namespace tincan::session {

/// Mappings over this are not taken down on a loop: 1 MiB takes 20 to 70 µs, a GiB as many
/// milliseconds. docs/decisions/0021-loans.md.
inline constexpr std::size_t teardown_bytes_on_loop_max = std::size_t{1} << 20;

/// Unmaps what nobody needs any more, and gives its charge back when that is done: here, or if this
/// is a loop's turn and there is much of it, on the process's one thread for that, which ends when
/// it has nothing left to do. `together`: how much there is in all, as when a connection ends.
/// `file`: what was mapped; its pages go with the last descriptor, if it is mapped no more.
void tear_down(os::Mapping&& mapping, MemoryCharge&& charge, std::size_t together = 0,
               os::CloseInChild&& file = {}) noexcept;

}  // namespace tincan::session
