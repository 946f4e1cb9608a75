#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

[[nodiscard]] bool is_utf8(std::string_view text);

/// `text` with everything that could steer a terminal written as \xNN: control characters but tab
/// and newline, the C1 controls, what changes the direction of writing, and bytes that are no
/// UTF-8.
[[nodiscard]] std::string escaped(std::string_view text);
/// The same for what has to stay one line: newlines and line separators too.
[[nodiscard]] std::string escaped_line(std::string_view text);

/// "1 reply", "2 replies".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view one, std::string_view many);

/// What to type into a shell for these words.
[[nodiscard]] std::string command_line(const std::vector<std::string>& words);

[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace cli
