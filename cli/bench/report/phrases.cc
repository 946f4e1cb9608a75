#include "bench/report/phrases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "bench/report/html.h"

namespace cli {

namespace {

/// Of less than 100 %: from there on "times" is clearer.
std::string percent_words(double fraction) { return fmt::format("{:.0f}\u00a0%", fraction * 100); }

}  // namespace

std::string compared_words(const Comparison& comparison, std::string_view what,
                           std::string_view other) {
  const double times = comparison.times;
  if (comparison.verdict == Comparison::same) {
    return fmt::format("{} takes about as long as {}", what, other);
  }
  if (comparison.verdict == Comparison::faster) {
    return times >= 2 ? fmt::format("{} is {} times as fast as {}", what, times_text(times), other)
                      : fmt::format("{} takes {} less time than {}", what,
                                    percent_words(1 - 1 / times), other);
  }
  return times >= 2
             ? fmt::format("{} takes {} times as long as {}", what, times_text(times), other)
             : fmt::format("{} takes {} more time than {}", what, percent_words(times - 1), other);
}

std::optional<std::string> median_words(const Json* table, std::string_view way) {
  const auto time = time_of(table, way, "p50");
  if (!time) return std::nullopt;
  return time_text(*time);
}

std::optional<std::string> cpu_words(const Json* table, std::string_view way) {
  const Json* row = row_of(table, way);
  if (row == nullptr) return std::nullopt;
  const auto cpu = cpu_in(*row);
  if (!cpu) return std::nullopt;
  return time_text(*cpu);
}

std::optional<std::string> rate_words(const Json* table, std::string_view way) {
  const Json* row = row_of(table, way);
  if (row == nullptr) return std::nullopt;
  const auto rate = number_in(*row, "per_second", "median");
  if (!rate) return std::nullopt;
  return count_text(*rate);
}

std::string sizes_words(const Results& results, std::string_view work, std::string_view way,
                        std::string_view other) {
  std::vector<std::string> faster;
  std::vector<std::string> slower;
  std::vector<std::string> same;
  double least = 0;
  double most = 0;
  for (const Json* table : results.by_size(work)) {
    const auto comparison = compare(table, way, other);
    if (!comparison) continue;
    auto& differing = comparison->verdict == Comparison::faster ? faster : slower;
    auto& sizes = comparison->verdict == Comparison::same ? same : differing;
    most = number_in(*table, "bytes").value_or(0);
    if (least == 0) least = most;
    sizes.push_back(bytes_text(most));
  }
  // One verdict for more than two sizes needs no list.
  const std::size_t all = faster.size() + slower.size() + same.size();
  if (all > 2) {
    const std::string range = fmt::format("at every size that was measured, from {} to {}",
                                          bytes_text(least), bytes_text(most));
    if (faster.size() == all) return "it is faster " + range;
    if (slower.size() == all) return "it is slower " + range;
  }
  std::vector<std::string> parts;
  if (!faster.empty()) parts.push_back("faster at " + listed(faster));
  if (!slower.empty()) parts.push_back("slower at " + listed(slower));
  if (!same.empty()) parts.push_back("not to be told apart at " + listed(same));
  if (parts.empty()) return {};
  return fmt::format("it is {}", joined(parts, "; "));
}

bool is_faster_somewhere(const Results& results, std::string_view work, std::string_view way,
                         std::string_view other) {
  return std::ranges::any_of(results.by_size(work), [&](const Json* table) {
    const auto comparison = compare(table, way, other);
    return comparison && comparison->verdict == Comparison::faster;
  });
}

std::string placement_words(const Json& table) {
  const std::string placement = text_in(table, "placement");
  if (placement == "different CPUs") return "with each process on its own CPU";
  if (placement == "one CPU") return "with both processes on one CPU";
  return placement == "free" ? "with both processes where the kernel puts them" : html(placement);
}

std::string sentence(std::string words) {
  if (words.empty()) return words;
  words[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(words[0])));
  return words + ". ";
}

std::string section(std::string_view heading, std::string_view paragraphs) {
  if (paragraphs.empty()) return {};
  return fmt::format("<h3>{}</h3>\n{}", heading, paragraphs);
}

std::string paragraph(std::string_view sentences) {
  return sentences.empty() ? std::string() : fmt::format("<p>{}</p>\n", sentences);
}

}  // namespace cli
