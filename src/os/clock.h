#pragma once

#include <cstdint>

#include "base/time.h"

namespace tincan::os {

/// CLOCK_MONOTONIC; about 25 ns, through the vDSO.
[[nodiscard]] Moment now();

/// CLOCK_REALTIME minus CLOCK_MONOTONIC. Two processes that see different values live in different
/// time namespaces (time_namespaces(7) shift only the monotonic clocks), or the wall clock was set.
[[nodiscard]] std::int64_t realtime_minus_monotonic();

}  // namespace tincan::os
