#include "bench/report/plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "bench/report/chart.h"
#include "bench/report/html.h"
#include "bench/report/plot_series.h"

namespace cli {

namespace {

/// Times an operation takes, as far as a plot can show them.
ChartAxis time_axis(const char* label, ChartExtent extent) {
  return logarithmic_axis(label, extent.low, extent.high, [](double took) {
    if (took >= 1e9) return fmt::format("{:g} s", took / 1e9);
    if (took >= 1e6) return fmt::format("{:g} ms", took / 1e6);
    return took >= 1e3 ? fmt::format("{:g} µs", took / 1e3) : fmt::format("{:g} ns", took);
  });
}

/// The sizes that were measured are the ticks.
ChartAxis size_axis(const std::vector<const Json*>& tables) {
  std::set<double> sizes;
  for (const Json* table : tables) sizes.insert(number_in(*table, "bytes").value_or(1));
  ChartAxis axis{.label = "size of a message"};
  axis.low = *sizes.begin() / 1.4;
  axis.high = *sizes.rbegin() * 1.4;
  double last = 0;
  for (const double size : sizes) {
    // Two that are close would be written over each other.
    if (size < last * 3.9) continue;
    axis.ticks.emplace_back(size, size < 1024 ? fmt::format("{:g} B", size) : bytes_text(size));
    last = size;
  }
  return axis;
}

std::string where(const Json& table) { return text_in(table, "placement"); }

std::string plot_of_percentiles(const Results& results, const WayLooks& looks) {
  const Json* table = results.main_table();
  if (table == nullptr) return {};
  static constexpr double last_place = 5;
  Chart chart{.name = "percentiles",
              .title = "How long a round trip of 1 KiB takes, from the quickest to the slowest",
              .reading =
                  "To the right stand ever rarer cases: at 99 %, one round trip in a hundred "
                  "takes longer than what the line shows there. A flat line is a way that one "
                  "can count on. Lower is better; both scales are logarithmic. "
                  "Placement: " +
                  where(*table) + "."};
  double right = 1;
  for (const std::string& way : looks.choose(ways_in(*table))) {
    const Json& row = *row_of(table, way);
    ChartSeries series{.name = way, .look = looks.look(way)};
    series.line = percentiles_of(row, last_place);
    if (series.line.empty()) continue;
    series.points = known_percentiles(row);
    right = std::max(right, series.line.back().first);
    chart.series.push_back(std::move(series));
  }
  if (chart.series.empty()) return {};
  chart.x = {.label = "round trips that take no longer",
             .low = 0,
             .high = right + 0.05,
             .logarithmic = false};
  chart.x.ticks = {{0, "0"},      {0.30103, "50 %"}, {1, "90 %"},    {2, "99 %"},
                   {3, "99.9 %"}, {4, "99.99 %"},    {5, "99.999 %"}};
  std::erase_if(chart.x.ticks, [&](const auto& tick) { return tick.first > right + 0.05; });
  chart.y = time_axis("", extent_of_y(chart.series));
  return figure_of(chart);
}

std::string plot_of_sizes(const Results& results, const WayLooks& looks) {
  const auto tables = results.by_size("round trip");
  if (tables.size() < 2) return {};
  Chart chart{.name = "sizes",
              .title = "How the time of a round trip grows with the size of the message",
              .reading =
                  "Each point is the median of a message and an answer of the same size. On "
                  "the left a wake-up costs most of the time, on the right copying does. "
                  "Lower is better. Placement: " +
                  where(*tables.front()) + "."};
  chart.series = series_over(tables, "bytes", time_in, looks);
  if (chart.series.empty()) return {};
  chart.x = size_axis(tables);
  chart.y = time_axis("", extent_of_y(chart.series));
  return figure_of(chart);
}

std::string plot_of_rates(const Results& results, const WayLooks& looks, bool in_bytes) {
  const auto tables = results.by_size("one way");
  if (tables.size() < 2) return {};
  Chart chart{
      .name = in_bytes ? "bandwidths" : "rates",
      .title = in_bytes ? "How many bytes go one way in a second"
                        : "How many messages go one way in a second",
      .reading = std::string(
                     in_bytes ? "The same measurement, in bytes: what copying costs shows on the "
                                "right. Higher is better."
                              : "Messages that nobody answers, sent one after the other. What is "
                                "written in batches starts higher: it calls the kernel less often. "
                                "Higher is better.") +
                 " Placement: " + where(*tables.front()) + "."};
  chart.series = series_over(
      tables, "bytes",
      [in_bytes](const Json& row) {
        return in_bytes ? bandwidth_in(row) : number_in(row, "per_second", "median");
      },
      looks);
  if (chart.series.empty()) return {};
  chart.x = size_axis(tables);
  const ChartExtent extent = extent_of_y(chart.series);
  chart.y = logarithmic_axis(
      "", extent.low, extent.high,
      in_bytes ? [](double rate) { return short_count(rate) + "B/s"; } : short_count);
  chart.left_characters = 11;
  return figure_of(chart);
}

std::string plot_of_cpu(const Results& results, const WayLooks& looks) {
  const Json* table = results.main_table();
  if (table == nullptr) return {};
  Chart chart{.name = "cpu",
              .title = "What the time of a round trip is paid with",
              .reading =
                  "To the left is quick, and low is cheap: CPU time of both sides together, "
                  "for a round trip of 1 KiB. What spins is quick because it keeps a CPU on "
                  "each side from everything else, also while no message comes. "
                  "Placement: " +
                  where(*table) + ".",
              .keys_have_lines = false};
  for (const std::string& way : looks.choose(ways_in(*table))) {
    const Json& row = *row_of(table, way);
    const auto time = time_in(row);
    const auto cpu = cpu_in(row);
    if (!time || !cpu || *time <= 0 || *cpu <= 0) continue;
    chart.series.push_back({.name = way, .look = looks.look(way), .points = {{*time, *cpu}}});
  }
  if (chart.series.empty()) return {};
  chart.x = time_axis("median of a round trip", extent_of_x(chart.series));
  chart.y = time_axis("CPU time, both sides", extent_of_y(chart.series));
  chart.left_characters = 12;
  return figure_of(chart);
}

std::string plot_of_clients(const Results& results, const WayLooks& looks) {
  const auto tables = results.by_clients();
  if (tables.size() < 2) return {};
  Chart chart{
      .name = "clients",
      .title = "What many clients get out of one server",
      .reading = fmt::format(
          "Round trips a second of all clients together, each of which asks again as soon "
          "as it has its answer; messages of {}. Higher is better. Placement: {}.",
          bytes_text(number_in(*tables.front(), "bytes").value_or(0)), where(*tables.front()))};
  chart.series = series_over(
      tables, "clients", [](const Json& row) { return number_in(row, "per_second", "median"); },
      looks);
  if (chart.series.empty()) return {};
  const ChartExtent extent = extent_of_x(chart.series);
  chart.x = {.label = "clients", .low = extent.low / 1.15, .high = extent.high * 1.15};
  for (const Json* table : tables) {
    const double clients = number_in(*table, "clients").value_or(1);
    chart.x.ticks.emplace_back(clients, fmt::format("{:g}", clients));
  }
  const ChartExtent rates = extent_of_y(chart.series);
  chart.y = logarithmic_axis("round trips a second", rates.low, rates.high, short_count);
  chart.left_characters = 11;
  return figure_of(chart);
}

/// For the ticks, whose room has to be known beforehand.
constexpr std::size_t tick_letters_max = 28;

std::string shortened(const std::string& name) {
  if (name.size() <= tick_letters_max) return name;
  std::size_t end = tick_letters_max - 1;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;  // in a letter
  return name.substr(0, end) + "…";
}

struct PlacedTimes {
  std::string way;
  double apart;
  double together;
};

std::vector<PlacedTimes> placed_times(const Results& results) {
  const Json* apart = results.table("round trip", 1024, "different CPUs");
  const Json* together = results.table("round trip", 1024, "one CPU");
  std::vector<PlacedTimes> times;
  if (apart == nullptr || together == nullptr) return times;
  for (const std::string& way : ways_in(*apart)) {
    const Json* other = row_of(together, way);
    if (other == nullptr) continue;
    const auto first = time_in(*row_of(apart, way));
    const auto second = time_in(*other);
    if (first && second && *first > 0 && *second > 0) times.push_back({way, *first, *second});
  }
  return times;
}

std::string plot_of_placements(const Results& results) {
  const auto times = placed_times(results);
  if (times.empty()) return {};
  Chart chart{.name = "placements",
              .title = "On two CPUs, and on one",
              .reading =
                  "The median of a round trip of 1 KiB, with both processes on one CPU and "
                  "with each on its own. Between different CPUs a wake-up has to reach the "
                  "other one; on one CPU the scheduler only changes over, but nothing runs at "
                  "the same time, and who spins keeps the other from running. Further left "
                  "is better.",
              .keys_have_lines = false,
              .height = 110 + 22 * static_cast<unsigned>(times.size())};
  ChartSeries apart{.name = "different CPUs", .look = {.colour = 1, .point = 7}};
  ChartSeries together{.name = "one CPU", .look = {.colour = 3, .point = 4}};
  std::size_t longest = 8;
  ChartSeries between{.look = {.colour = 7, .width = 1}};
  auto row = static_cast<double>(times.size());
  for (const PlacedTimes& time : times) {
    apart.points.emplace_back(time.apart, row);
    together.points.emplace_back(time.together, row);
    between.line.insert(between.line.end(), {{time.apart, row}, {time.together, row}, {NAN, NAN}});
    longest = std::max(longest, shortened(time.way).size());
    chart.y.ticks.emplace_back(row--, shortened(time.way));
  }
  chart.series = {std::move(apart), std::move(together), std::move(between)};
  chart.x = time_axis("median of a round trip", extent_of_x(chart.series));
  chart.y.logarithmic = false;
  chart.left_characters = static_cast<unsigned>(longest) + 2;
  chart.y.low = 0.3;
  chart.y.high = static_cast<double>(times.size()) + 0.7;
  return figure_of(chart);
}

}  // namespace

std::string plots_of(const Results& results) {
  const WayLooks looks(results);
  return plot_of_percentiles(results, looks) + plot_of_sizes(results, looks) +
         plot_of_rates(results, looks, false) + plot_of_rates(results, looks, true) +
         plot_of_cpu(results, looks) + plot_of_clients(results, looks) +
         plot_of_placements(results);
}

}  // namespace cli
