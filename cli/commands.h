#pragma once

#include <string>
#include <vector>

#include "arguments.h"

namespace cli {

/// `program` is what stands after "--".
[[nodiscard]] Command add_serve(CLI::App& tool, std::vector<std::string> program);
/// `dash_is_literal`: the body "-" stands after "--" and is what it is.
[[nodiscard]] Command add_call(CLI::App& tool, bool dash_is_literal);
[[nodiscard]] Command add_ping(CLI::App& tool);
[[nodiscard]] Command add_bytes(CLI::App& tool);
/// `command`: the whole command line, for its results.
[[nodiscard]] Command add_bench(CLI::App& tool, std::string command);

}  // namespace cli
