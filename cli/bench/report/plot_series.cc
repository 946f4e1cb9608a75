#include "bench/report/plot_series.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace cli {

namespace {

/// With each step to the right, a tenth is left of what takes longer.
double place_of_percentile(double fraction) { return -std::log10(1 - fraction); }

/// What cannot be seen is not drawn: a page has thousands of points less.
void thin_out(ChartPoints& points) {
  ChartPoints kept;
  for (std::size_t at = 0; at < points.size(); ++at) {
    const bool last = at + 1 == points.size();
    if (!last && !kept.empty() && points[at].first - kept.back().first < 0.012 &&
        points[at].second < kept.back().second * 1.02) {
      continue;
    }
    kept.push_back(points[at]);
  }
  points = std::move(kept);
}

ChartPoints percentiles_of_histogram(const Json& buckets, double last_place) {
  double all = 0;
  for (const Json& bucket : buckets) all += bucket.at(1).get<double>();
  ChartPoints points;
  double below = 0;
  for (const Json& bucket : buckets) {
    const auto longest = bucket.at(0).get<double>();
    if (points.empty()) points.emplace_back(0, longest);
    below += bucket.at(1).get<double>();
    // The last has nothing above it: it is drawn where one operation of all stands.
    const double place = below < all ? place_of_percentile(below / all) : std::log10(all);
    points.emplace_back(std::min(place, last_place), longest);
    if (place >= last_place) break;
  }
  thin_out(points);
  return points;
}

bool is_histogram(const Json& buckets) {
  return !buckets.empty() && std::ranges::all_of(buckets, [](const Json& bucket) {
    return bucket.is_array() && bucket.size() == 2 && bucket[0].is_number() &&
           bucket[0].get<double>() > 0 && bucket[1].is_number() && bucket[1].get<double>() > 0;
  });
}

template <typename Side>
ChartExtent extent_of(const std::vector<ChartSeries>& series, Side side) {
  ChartExtent extent{HUGE_VAL, 0};
  for (const ChartSeries& one : series) {
    for (const ChartPoints* points : {&one.line, &one.points}) {
      for (const auto& point : *points) {
        if (std::isnan(point.first)) continue;
        extent.low = std::min(extent.low, point.*side);
        extent.high = std::max(extent.high, point.*side);
      }
    }
  }
  return extent.high > 0 ? extent : ChartExtent{};
}

}  // namespace

std::vector<std::string> ways_in(const Json& table) {
  std::vector<std::string> ways;
  for (const Json& row : list_in(table, "rows")) {
    if (is_measured(row)) ways.push_back(text_in(row, "way"));
  }
  return ways;
}

std::vector<ChartSeries> series_over(const std::vector<const Json*>& tables, const char* x_name,
                                     const RowNumber& y, const WayLooks& looks) {
  std::vector<std::string> all;
  for (const Json* table : tables) {
    for (const std::string& way : ways_in(*table)) {
      // Of one size alone there is no line.
      const auto count = std::ranges::count_if(
          tables, [&](const Json* other) { return row_of(other, way) != nullptr; });
      if (count > 1) all.push_back(way);
    }
  }
  std::vector<ChartSeries> series;
  for (const std::string& way : looks.choose(all)) {
    ChartSeries one{.name = way, .look = looks.look(way)};
    for (const Json* table : tables) {
      const Json* row = row_of(table, way);
      const auto x = number_in(*table, x_name);
      if (row == nullptr) continue;
      const auto number = y(*row);
      if (x && *x > 0 && number && *number > 0) one.line.emplace_back(*x, *number);
    }
    one.points = one.line;
    if (!one.line.empty()) series.push_back(std::move(one));
  }
  return series;
}

ChartPoints known_percentiles(const Json& row) {
  static constexpr std::array<std::pair<const char*, double>, 4> known = {
      {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}}};
  ChartPoints points;
  for (const auto& [name, fraction] : known) {
    const auto time = number_in(row, "time", name);
    if (time && *time > 0) points.emplace_back(place_of_percentile(fraction), *time);
  }
  return points;
}

ChartPoints percentiles_of(const Json& row, double last_place) {
  const Json& buckets = list_in(row, "histogram");
  return is_histogram(buckets) ? percentiles_of_histogram(buckets, last_place)
                               : known_percentiles(row);
}

ChartExtent extent_of_y(const std::vector<ChartSeries>& series) {
  return extent_of(series, &std::pair<double, double>::second);
}

ChartExtent extent_of_x(const std::vector<ChartSeries>& series) {
  return extent_of(series, &std::pair<double, double>::first);
}

}  // namespace cli
