#pragma once

#include <string>

namespace cli {

/// What gnuplot draws for `script`, as SVG. Throws std::runtime_error: it is not installed, or does
/// not like the script.
[[nodiscard]] std::string drawn_by_gnuplot(const std::string& script);

/// What a drawing is shown as.
struct Picture {
  std::string name;   ///< Its own on the page: letters only.
  std::string style;  ///< Of the style sheet.
  std::string label;  ///< What is in it, for who does not see it.
  unsigned width = 0;
  unsigned height = 0;
};

/// gnuplot's SVG as a part of a page: without what makes it a file, named like no other on the
/// page, and in the colours of the style sheet in place of the numbers below.
[[nodiscard]] std::string part_of_page(const std::string& svg, const Picture& picture);

/// Colours in a script that stand for those of the style sheet: --ink, --grid, and --sN.
constexpr const char* ink_in_script = "#010101";
constexpr const char* grid_in_script = "#020202";
[[nodiscard]] std::string colour_in_script(int of_style_sheet);

}  // namespace cli
