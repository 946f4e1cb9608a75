#pragma once

#include "os/result.h"

namespace tincan::os {

/// Runs `step(argument)` on a thread of its own that ends with it, and returns at once. For what
/// takes milliseconds and nobody waits for: this library has no other threads. It blocks every
/// signal, so handlers of the program never run there; in a forked child it is not there. A step
/// that finds no memory has to cope with that itself: what it threw would end the process. Errors:
/// EAGAIN, ENOMEM: there is no place for another thread; nothing was run.
[[nodiscard]] Sys<void> run_apart(void (*step)(void*) noexcept, void* argument);

}  // namespace tincan::os
