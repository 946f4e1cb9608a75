#pragma once

#include <string>

#include "json.h"

namespace cli {

/// "Round trip of 1 KiB, different CPUs".
[[nodiscard]] std::string title_of(const Json& table);
/// A table of the results as text of at most 100 columns, with its title.
[[nodiscard]] std::string text_of_table(const Json& table);
/// What its columns mean.
[[nodiscard]] std::string legend();

/// All rows of all tables, one a line, and a line with the names of the columns.
[[nodiscard]] std::string csv_of(const Json& results);

/// How the ratios of `results` differ from those of an earlier run.
[[nodiscard]] std::string compare(const Json& results, const Json& earlier);

}  // namespace cli
