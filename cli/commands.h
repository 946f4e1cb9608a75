#pragma once

#include <string>
#include <vector>

#include "arguments.h"

namespace cli {

/// `program` is what stands after "--".
[[nodiscard]] Command add_serve(CLI::App& tool, std::vector<std::string> program);
[[nodiscard]] Command add_call(CLI::App& tool);
[[nodiscard]] Command add_ping(CLI::App& tool);
[[nodiscard]] Command add_bytes(CLI::App& tool);

}  // namespace cli
