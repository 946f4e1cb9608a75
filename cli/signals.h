#pragma once

#include "tincan/descriptor.h"

namespace cli {

/// Blocks SIGINT and SIGTERM for this thread and those it starts, and returns a descriptor that
/// becomes readable when one has come (signalfd(2)).
/// Errors: an empty descriptor, errno set.
[[nodiscard]] tincan::Descriptor open_stop_signals();
/// Takes one signal and returns its number; waits when none has come.
int take_signal(const tincan::Descriptor& signals);
/// Lets SIGINT and SIGTERM end this process again.
void restore_stop_signals();
/// Ends this process by a signal that was taken, for its parent to see which.
[[noreturn]] void end_by(int signal);

}  // namespace cli
