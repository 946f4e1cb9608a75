#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace cli {

/// The middle of some rounds, and what nine tenths of them lie between.
struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;
};

/// Of at least one value.
[[nodiscard]] inline Spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  const auto at = [&](double fraction) {
    const double place = fraction * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return std::lerp(values[below], values[above], place - static_cast<double>(below));
  };
  return {.median = at(0.5), .low = at(0.05), .high = at(0.95)};
}

}  // namespace cli
