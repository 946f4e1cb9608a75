#pragma once

#include <string>

#include "bench/report/results.h"

namespace cli {

/// What makes the numbers of this run less than they should be: as HTML, as all of these. Empty
/// when there is nothing.
[[nodiscard]] std::string warnings_of(const Results& results);
/// What it ran on.
[[nodiscard]] std::string machine_of(const Results& results);
/// "26 November 2026" and which tincan, in a line.
[[nodiscard]] std::string origin_of(const Results& results);
/// What to type to have the same again.
[[nodiscard]] std::string commands_of(const Results& results);

}  // namespace cli
