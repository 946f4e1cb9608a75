#include "sizes.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace cli {

namespace {

struct SizeUnit {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr SizeUnit size_units[] = {
    {"", 1}, {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}};

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, bytes] : size_units) {
    if (unit != name) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() / bytes) return std::nullopt;
    return number * bytes;
  }
  return std::nullopt;
}

std::string format_size(std::uint64_t bytes) {
  if (bytes == 1) return "1 byte";
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  const SizeUnit* unit = &size_units[2];
  while (unit + 1 != std::end(size_units) && bytes >= (unit + 1)->bytes) ++unit;
  if (bytes % unit->bytes == 0) return fmt::format("{} {}", bytes / unit->bytes, unit->name);
  const auto count = static_cast<double>(bytes) / static_cast<double>(unit->bytes);
  return fmt::format("{:.1f} {}", count, unit->name);
}

}  // namespace cli
