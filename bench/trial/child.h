#pragma once

#include <sys/types.h>

namespace bench {

/// What every process that is forked to measure does first. It ends when `parent` does, however
/// that may be; and it is in a process group of its own, so that what is typed at a terminal
/// (Ctrl-C ends, Ctrl-Z stops, fg goes on) is for its parent alone, which stops some and ends all.
void begin_child(pid_t parent);

}  // namespace bench
