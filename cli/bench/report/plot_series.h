#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/report/chart.h"

/// How the series of a plot come out of tables.
namespace cli {

/// What is read from a row.
using RowNumber = std::function<std::optional<double>(const Json& row)>;

/// Of each way that a plot has room for, `y` in each of `tables`, at what `x_name` is there.
[[nodiscard]] std::vector<ChartSeries> series_over(const std::vector<const Json*>& tables,
                                                   const char* x_name, const RowNumber& y,
                                                   const WayLooks& looks);

/// The ways of a table that were measured.
[[nodiscard]] std::vector<std::string> ways_in(const Json& table);

/// The few percentiles in `time`, by their place: 0.9 stands at 1, 0.99 at 2.
[[nodiscard]] ChartPoints known_percentiles(const Json& row);
/// All of them, from the histogram; without one, the few.
[[nodiscard]] ChartPoints percentiles_of(const Json& row, double last_place);

/// The least and the largest; 1 and 1 when there are none.
struct ChartExtent {
  double low = 1;
  double high = 1;
};
[[nodiscard]] ChartExtent extent_of_y(const std::vector<ChartSeries>& series);
[[nodiscard]] ChartExtent extent_of_x(const std::vector<ChartSeries>& series);

}  // namespace cli
