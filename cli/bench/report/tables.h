#pragma once

#include <string>

#include "bench/report/results.h"

namespace cli {

/// All tables, as they were measured, as HTML. Of each work one stands open: that of 1 KiB, or
/// whatever comes first.
[[nodiscard]] std::string tables_of(const Results& results);
/// What each way is, by its name.
[[nodiscard]] std::string list_of_ways(const Results& results);

}  // namespace cli
