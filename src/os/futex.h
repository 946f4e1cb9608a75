#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace tincan::os {

/// Sleeps while `word` holds `expected`, at most until `deadline`. Returns early now and then, for
/// no reason; callers look at the word again. Private to the process.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, Moment deadline);
/// Wakes one sleeper.
void futex_wake(std::atomic<std::uint32_t>& word);
void futex_wake_all(std::atomic<std::uint32_t>& word);

}  // namespace tincan::os
