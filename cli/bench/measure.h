#pragma once

#include <functional>
#include <string>

#include "bench/plan.h"
#include "json.h"

namespace cli {

/// Is told how much of a table is done, from 0 to 1, and what comes next.
using TableProgress = std::function<void(double done, const std::string& doing)>;

/// What a table of the results says of its task.
[[nodiscard]] Json head_of(const PlannedTable& table);

/// Measures the rows of a table, round by round, in turns: what disturbs the machine disturbs all
/// of them. What it returns is a table of the results, as docs/benchmark.md says. A row that fails
/// says why, and the others go on.
[[nodiscard]] Json measure(const PlannedTable& table, const Plan& plan,
                           const TableProgress& progress);

}  // namespace cli
