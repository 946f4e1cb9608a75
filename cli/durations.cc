#include "durations.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace cli {

namespace {

struct DurationUnit {
  std::string_view name;
  double nanoseconds;
};

constexpr DurationUnit duration_units[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
                                           {"s", 1e9}, {"m", 60e9}, {"h", 3.6e12}};

std::optional<std::chrono::nanoseconds> nanoseconds_of(double count) {
  // The largest double below 2^63; casting more would be undefined.
  constexpr double nanoseconds_max = 9.2233720368547748e18;
  if (!(count >= 0) || count > nanoseconds_max) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(count));
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, nanoseconds] : duration_units) {
    if (unit == name) return nanoseconds_of(number * nanoseconds);
  }
  return std::nullopt;
}

std::optional<std::chrono::nanoseconds> parse_seconds(std::string_view text) {
  double number = 0;
  const char* const first = text.data();
  const char* const last = first + text.size();
  const auto [end, error] = std::from_chars(first, last, number, std::chars_format::fixed);
  if (error == std::errc() && end == last) return nanoseconds_of(number * 1e9);
  return parse_duration(text);
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const auto count = static_cast<double>(duration.count());
  if (count < 1e3) return fmt::format("{} ns", duration.count());
  if (count < 1e6) return fmt::format("{:.1f} us", count / 1e3);
  if (count < 1e9) return fmt::format("{:.2f} ms", count / 1e6);
  return fmt::format("{:.2f} s", count / 1e9);
}

timespec time_to_wait(std::chrono::nanoseconds duration) {
  duration = std::max(duration, std::chrono::nanoseconds(0));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  return {seconds.count(), (duration - seconds).count()};
}

double seconds_of(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace cli
