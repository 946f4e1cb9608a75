#pragma once

#include <string>

#include "json.h"

namespace cli {

/// Makes DIR when it is not there, and finds out whether a report can be written to it. Throws
/// std::runtime_error that names what is missing (gnuplot: with the package to install), or why
/// not.
void prepare_report(const std::string& directory);

/// Writes DIR/index.html, which needs nothing but itself, from the results of `tincan bench`; an
/// index.html that is there is replaced at once or not at all. Throws as `prepare_report`.
void write_report(const Json& results, const std::string& directory);

}  // namespace cli
