#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cli {

/// Reads bytes as "512", "512B", "1KiB", "64KiB", "1MiB", "1GiB"; nothing for anything else.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
/// "56 bytes", "64 KiB", "1.5 MiB".
[[nodiscard]] std::string format_size(std::uint64_t bytes);

}  // namespace cli
