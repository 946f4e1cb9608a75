#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/report/ways.h"

namespace cli {

/// One direction of a chart.
struct ChartAxis {
  std::string label;
  double low = 0;
  double high = 1;
  bool logarithmic = true;
  std::vector<std::pair<double, std::string>> ticks;
};

/// Ticks at 1, 2 and 5 of each power of ten, or at the powers alone when they are many. `text` says
/// what stands at one. Low and high are those of the numbers; the axis has some room around them.
[[nodiscard]] ChartAxis logarithmic_axis(std::string label, double low, double high,
                                         std::string (*text)(double));

using ChartPoints = std::vector<std::pair<double, double>>;

/// A line, or points, or both, of one way.
struct ChartSeries {
  std::string name;  ///< Empty: it has no key.
  WayLook look;
  ChartPoints line;  ///< It is broken at a point that is not a number.
  ChartPoints points;
};

struct Chart {
  std::string name;     ///< Of its own on the page: letters only.
  std::string title;    ///< What it shows, in words.
  std::string reading;  ///< How to read it.
  ChartAxis x;
  ChartAxis y;
  std::vector<ChartSeries> series;
  bool keys_have_lines = true;
  unsigned left_characters = 9;  ///< Room for the ticks of y.
  unsigned height = 440;
};

/// The chart with its title, how to read it, and its keys: as HTML. It is drawn twice, for a wide
/// window and for a narrow one, in which letters made smaller could not be read.
[[nodiscard]] std::string figure_of(const Chart& chart);

}  // namespace cli
