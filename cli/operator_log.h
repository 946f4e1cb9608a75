#pragma once

#include <string_view>

/// What the operator of a service reads on stderr.
///
/// Never waits: a service must not stop because nobody reads its log. What finds no room is dropped
/// and counted, and the count is told when there is room again. Threads: one.
namespace cli {

/// A line of ours, escaped.
void log_line(std::string_view line);
/// What a command wrote, as it is.
void log_bytes(std::string_view bytes);

}  // namespace cli
