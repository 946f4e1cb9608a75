#include <fmt/format.h>

#include <vector>

#include "bench/report/html.h"
#include "bench/report/phrases.h"
#include "bench/report/words.h"

namespace cli {

namespace {

std::string medians_in(const Json* table) {
  static constexpr std::pair<const char*, const char*> named[] = {
      {"unix stream", "over a Unix stream socket"},
      {"pipe", "over a pair of pipes"},
      {"TCP, IPv4", "over TCP on loopback"},
      {"memory, spinning", "through shared memory on which both sides spin"},
      {"tincan", "as a tincan call"}};
  std::vector<std::string> parts;
  for (const auto& [way, words] : named) {
    if (const auto median = median_words(table, way)) {
      parts.push_back(fmt::format("<b>{}</b> {}", *median, words));
    }
  }
  if (parts.empty()) return {};
  return fmt::format("A message of 1 KiB and its answer take {} (medians, {}). ", listed(parts),
                     placement_words(*table));
}

std::string rates_in(const Json* table) {
  const auto stream = rate_words(table, "unix stream");
  const auto pipe = rate_words(table, "pipe");
  const auto batched = rate_words(table, "unix stream, batched");
  if (!stream) return {};
  std::string text = fmt::format(
      "One way, a Unix stream socket carries <b>{}</b> such messages a second", *stream);
  if (batched) text += fmt::format(", {} when they are written in batches", *batched);
  if (pipe) text += fmt::format("; a pipe {}", *pipe);
  return text + ". ";
}

std::string prices_in(const Json* table) {
  const auto stream = cpu_words(table, "unix stream");
  const Json* spinning = row_of(table, "memory, spinning");
  std::string text;
  if (stream) {
    text += fmt::format("The round trip over the socket costs both sides {} of CPU time together. ",
                        *stream);
  }
  if (spinning != nullptr && cpu_in(*spinning) && number_in(*spinning, "per_second", "median")) {
    const double cpus = *cpu_in(*spinning) * *number_in(*spinning, "per_second", "median") / 1e9;
    text += fmt::format(
        "The memory that spins keeps {:.2g} CPUs busy for it, also while nothing comes. ", cpus);
  }
  return text;
}

}  // namespace

std::string summary_of(const Results& results) {
  const Json* table = results.main_table();
  const std::string facts =
      medians_in(table) + rates_in(results.table("one way", 1024)) + prices_in(table);
  if (facts.empty()) {
    return "<p class=\"summary\">This run has no round trips of 1 KiB, which the summary is about. "
           "All that was measured stands in the tables.</p>\n";
  }
  return "<p class=\"summary\">" + facts + "</p>\n";
}

}  // namespace cli
