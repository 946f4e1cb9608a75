#pragma once

#include "ways/way.h"

/// What the two sides of a trial do, each in its process, until that is killed. `control`: where
/// the trial speaks to it.
namespace bench {

/// Says once that it is ready, or why it has ended.
[[noreturn]] void run_server_side(Way& way, int control);
/// Says once that it is connected; then does what it is told.
[[noreturn]] void run_client_side(Way& way, const Task& task, unsigned client, int control);

}  // namespace bench
