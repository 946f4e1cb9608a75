#pragma once

#include <string>

#include "bench/report/results.h"

namespace cli {

/// All plots that the results have tables for, as HTML; empty when there are none.
[[nodiscard]] std::string plots_of(const Results& results);

}  // namespace cli
