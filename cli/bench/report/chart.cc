#include "bench/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>

#include "bench/report/gnuplot.h"
#include "bench/report/html.h"

namespace cli {

namespace {

struct ChartPaper {
  const char* style;
  unsigned width;
  unsigned height;
  unsigned font;
  double scale;  ///< Of points and lines.
};

/// gnuplot is not told a word of ours: a text could end its script. What is written is put into its
/// drawing afterwards, in the place of a number. 'b' and 'e' only mark where it begins and ends.
std::string word_in_script(std::size_t number) { return fmt::format("b{}e", number); }

class ChartScript {
 public:
  ChartScript(const Chart& chart, const ChartPaper& paper) : chart_(chart), paper_(paper) {}

  std::string write() {
    fmt::format_to(to(), "set terminal svg size {},{} dynamic noenhanced font 'sans-serif,{}'\n",
                   paper_.width, paper_.height, paper_.font);
    fmt::format_to(to(), "set key off\nset border 3 lc rgb '{}'\nset tics nomirror scale 0.5\n",
                   ink_in_script);
    fmt::format_to(to(), "set grid lt 1 lw 0.8 lc rgb '{}'\nset lmargin {}\nset rmargin 4\n",
                   grid_in_script, chart_.left_characters);
    write_axis('x', chart_.x);
    write_axis('y', chart_.y);
    write_points();
    write_plot();
    return script_;
  }
  [[nodiscard]] const std::vector<std::string>& words() const { return words_; }

 private:
  std::back_insert_iterator<std::string> to() { return std::back_inserter(script_); }

  std::string word(const std::string& text) {
    words_.push_back(text);
    return word_in_script(words_.size() - 1);
  }

  void write_axis(char name, const ChartAxis& axis) {
    if (axis.logarithmic) fmt::format_to(to(), "set logscale {}\n", name);
    fmt::format_to(to(), "set {}range [{:.9g}:{:.9g}]\nset m{}tics 1\n", name, axis.low, axis.high,
                   name);
    if (!axis.label.empty()) {
      fmt::format_to(to(), "set {}label '{}' textcolor rgb '{}'\n", name, word(axis.label),
                     ink_in_script);
    }
    std::vector<std::string> ticks;
    ticks.reserve(axis.ticks.size());
    for (const auto& [at, text] : axis.ticks) {
      ticks.push_back(fmt::format("'{}' {:.9g}", word(text), at));
    }
    fmt::format_to(to(), "set {}tics ({}) textcolor rgb '{}'\n", name, joined(ticks, ", "),
                   ink_in_script);
  }

  void write_points() {
    for (std::size_t at = 0; at < chart_.series.size(); ++at) {
      write_block(fmt::format("$L{}", at), chart_.series[at].line);
      write_block(fmt::format("$P{}", at), chart_.series[at].points);
    }
  }

  void write_block(const std::string& name, const ChartPoints& points) {
    if (points.empty()) return;
    script_ += name + " << EOD\n";
    for (const auto& [x, y] : points) {
      // gnuplot ends a line where a line of the block is empty.
      script_ += std::isnan(x) ? "\n" : fmt::format("{:.6g} {:.6g}\n", x, y);
    }
    script_ += "EOD\n";
  }

  void write_plot() {
    std::vector<std::string> parts;
    // Backwards, so that those which are named first lie on top.
    for (std::size_t at = chart_.series.size(); at-- > 0;) {
      const ChartSeries& series = chart_.series[at];
      const std::string look = fmt::format("lc rgb '{}'", colour_in_script(series.look.colour));
      // A title is not drawn, for there is no key; it is what pointing at the series shows.
      const std::string title = fmt::format("title '{}'", word(series.name));
      if (!series.line.empty()) {
        parts.push_back(fmt::format("$L{} using 1:2 with lines {} lw {:.2g} dt {} {}", at, look,
                                    series.look.width * paper_.scale, dashes(series.look), title));
      }
      if (!series.points.empty()) {
        parts.push_back(fmt::format("$P{} using 1:2 with points {} pt {} ps {:.2g} {}", at, look,
                                    series.look.point, point_size(series.look), title));
      }
    }
    fmt::format_to(to(), "plot {}\n", joined(parts, ", "));
  }

  [[nodiscard]] double point_size(const WayLook& look) const {
    return (look.colour == 0 ? 1.0 : 0.8) * paper_.scale;
  }

  static std::string dashes(const WayLook& look) {
    std::string list = look.dash;
    if (list.empty()) return "solid";
    std::ranges::replace(list, ' ', ',');
    return "(" + list + ")";
  }

  const Chart& chart_;
  const ChartPaper& paper_;
  std::string script_;
  std::vector<std::string> words_;
};

/// The number in "b12e" at the start of `text`.
std::optional<std::size_t> number_of_word(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != 'e') return std::nullopt;
  return number;
}

std::string with_words(std::string_view svg, const std::vector<std::string>& words) {
  std::string worded;
  std::size_t copied = 0;
  for (std::size_t at = svg.find('b'); at != std::string::npos; at = svg.find('b', at + 1)) {
    const auto number = number_of_word(svg.substr(at));
    if (!number || *number >= words.size()) continue;
    worded += svg.substr(copied, at - copied);
    worded += html(words[*number]);
    copied = at + word_in_script(*number).size();
  }
  worded += svg.substr(copied);
  return worded;
}

std::string drawing_of(const Chart& chart, const ChartPaper& paper) {
  ChartScript script(chart, paper);
  const std::string drawing = drawn_by_gnuplot(script.write());
  const Picture picture{.name = chart.name + paper.style,
                        .style = paper.style,
                        .label = chart.title + ". " + chart.reading,
                        .width = paper.width,
                        .height = paper.height};
  return part_of_page(with_words(drawing, script.words()), picture);
}

std::string keys_of(const Chart& chart) {
  std::string keys = "<ul class=\"keys\">";
  for (const ChartSeries& series : chart.series) {
    if (series.name.empty()) continue;
    keys += fmt::format("<li{}>{} {}</li>", series.look.colour == 0 ? " class=\"ours\"" : "",
                        key_of(series.look, chart.keys_have_lines), html(series.name));
  }
  return keys + "</ul>";
}

}  // namespace

ChartAxis logarithmic_axis(std::string label, double low, double high,
                           std::string (*text)(double)) {
  // At least a factor of 2, or there would be no tick.
  const double middle = std::sqrt(low * high);
  low = std::min(low, middle / 1.5) / 1.15;
  high = std::max(high, middle * 1.5) * 1.15;
  ChartAxis axis{.label = std::move(label), .low = low, .high = high};
  const bool many = high / low > 300;
  const int last = static_cast<int>(std::floor(std::log10(high)));
  for (int exponent = static_cast<int>(std::floor(std::log10(low))); exponent <= last; ++exponent) {
    for (const double step : {1.0, 2.0, 5.0}) {
      const double at = std::pow(10, exponent) * step;
      if (at >= low && at <= high && (step == 1.0 || !many)) axis.ticks.emplace_back(at, text(at));
    }
  }
  return axis;
}

std::string figure_of(const Chart& chart) {
  const ChartPaper wide{"wide", 880, chart.height, 14, 1};
  const ChartPaper narrow{"narrow", 400, std::max(320u, chart.height * 3 / 4), 12, 0.75};
  return fmt::format("<figure id=\"{}\"><h3>{}</h3>\n<p>{}</p>\n{}\n{}\n{}</figure>\n", chart.name,
                     html(chart.title), html(chart.reading), keys_of(chart),
                     drawing_of(chart, wide), drawing_of(chart, narrow));
}

}  // namespace cli
