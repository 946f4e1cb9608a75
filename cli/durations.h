#pragma once

#include <time.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace cli {

/// Reads "200ms", "1.5s", "2m", "500us", "1h"; nothing when it is something else, or too long for
/// 64 bits of nanoseconds.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
/// Also takes a bare number, as seconds: what ping(8) takes for -i.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_seconds(std::string_view text);

/// With the unit that suits it: "850 ns", "85.1 us", "1.20 ms", "3.00 s".
[[nodiscard]] std::string format_duration(std::chrono::nanoseconds duration);
/// For ppoll(2); nothing waits less than no time.
[[nodiscard]] timespec time_to_wait(std::chrono::nanoseconds duration);
/// For JSON.
[[nodiscard]] double seconds_of(std::chrono::nanoseconds duration);

}  // namespace cli
