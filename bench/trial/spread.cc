#include "trial/spread.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace bench {

namespace {

/// The value that so much of `sorted` does not exceed, between two of them if need be.
double quantile(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

/// Student's t, two-sided, 99 %, for one degree of freedom and more.
double student(std::size_t degrees) {
  constexpr std::array<double, 10> table = {63.66, 9.925, 5.841, 4.604, 4.032,
                                            3.707, 3.499, 3.355, 3.250, 3.169};
  return table[std::min(degrees, table.size()) - 1];
}

/// How far, as a factor, a pass like `passes` may be from their mean; 1: nobody can tell.
double distance_of_one_more(const std::vector<double>& passes) {
  if (passes.size() < 3) return 1;
  const auto count = static_cast<double>(passes.size());
  double sum = 0;
  for (const double pass : passes) sum += std::log(pass);
  double squares = 0;
  for (const double pass : passes) squares += std::pow(std::log(pass) - sum / count, 2);
  const double deviation = std::sqrt(squares / (count - 1));
  return std::exp(student(passes.size() - 1) * deviation * std::sqrt(1 + 1 / count));
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  return {.median = quantile(values, 0.5),
          .low = quantile(values, 0.05),
          .high = quantile(values, 0.95)};
}

Spread expected_of(const std::vector<std::vector<double>>& passes) {
  std::vector<double> all;
  std::vector<double> middles;
  for (const std::vector<double>& pass : passes) {
    all.insert(all.end(), pass.begin(), pass.end());
    if (!pass.empty()) middles.push_back(spread_of(pass).median);
  }
  const Spread rounds = spread_of(all);
  const double distance = distance_of_one_more(middles);
  return {.median = rounds.median,
          .low = std::min(rounds.low, rounds.median / distance),
          .high = std::max(rounds.high, rounds.median * distance)};
}

}  // namespace bench
