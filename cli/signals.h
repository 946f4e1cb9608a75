#pragma once

#include "tincan/descriptor.h"

namespace cli {

/// Blocks SIGINT and SIGTERM for this thread and those it starts, and returns a descriptor that
/// becomes readable when one has come (signalfd(2)).
/// Errors: an empty descriptor, errno set.
[[nodiscard]] tincan::Descriptor open_stop_signals();
/// Takes one signal; waits when none has come.
void take_signal(const tincan::Descriptor& signals);

}  // namespace cli
