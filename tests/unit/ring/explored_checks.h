#pragma once

#include "unit/ring/explorer.h"

/// What must hold at the end of every execution.
namespace tincan::ring::test {

/// The failure and the way to it, a step a line.
[[nodiscard]] std::string print(const Exploration& exploration);

[[nodiscard]] Fault nobody_sleeps(const Ending& ending);
/// Both have received all that the other has published.
[[nodiscard]] Fault everything_arrives(const Ending& ending);
/// Whoever outlives the other has received what that had published, or all that it wanted.
[[nodiscard]] Fault the_living_know(const Ending& ending);
/// Left sends, right revokes: what left does not send again, right has received.
[[nodiscard]] Fault nothing_is_lost(const Ending& ending);

}  // namespace tincan::ring::test
