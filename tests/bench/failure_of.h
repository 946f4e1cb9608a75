#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "trial/trial.h"

namespace bench {

/// How a trial of `way` at `work` ends, with two rounds; empty: well.
inline std::string failure_of(const WayEntry& way, Work work) {
  const std::size_t bytes = std::clamp<std::size_t>(1000, way.bytes_min, way.bytes_max);
  const unsigned clients = work == Work::fan_in ? 3 : 1;
  try {
    Trial trial(way, {.work = work, .bytes = bytes, .clients = clients}, Placement::free);
    if (work != Work::idle) trial.warm_up();
    for (int i = 0; i < 2; ++i) {
      const Round round = trial.run(20);
      EXPECT_EQ(round.operations, 20u * clients);
    }
    return {};
  } catch (const TrialFailed& failed) {
    return failed.what();
  }
}

}  // namespace bench
