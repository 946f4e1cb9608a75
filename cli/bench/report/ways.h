#pragma once

#include <string>
#include <vector>

#include "bench/report/results.h"

/// How a way looks in every plot of the report, so that it is known again.
namespace cli {

/// Apart by shape and dashes too: not everybody tells colours apart, nor does every printer.
struct WayLook {
  int colour = 1;         ///< Of the style sheet: --s1 and so on.
  int point = 7;          ///< gnuplot's number of the shape.
  const char* dash = "";  ///< As in SVG; empty: a line without gaps.
  double width = 1.6;
};

/// The ways of one run, those first that a reader compares first.
class WayLooks {
 public:
  static constexpr std::size_t series_max = 10;

  explicit WayLooks(const Results& results);

  [[nodiscard]] WayLook look(const std::string& way) const;
  /// Of `ways`, what a plot has room for.
  [[nodiscard]] std::vector<std::string> choose(const std::vector<std::string>& ways) const;

 private:
  std::vector<std::string> order_;
};

[[nodiscard]] bool is_tincan(const std::string& way);

/// A line and a shape: stands beside the name of a way.
[[nodiscard]] std::string key_of(const WayLook& look, bool with_line);

}  // namespace cli
