#include <fmt/format.h>

#include "bench/report/html.h"
#include "bench/report/phrases.h"
#include "bench/report/words.h"

namespace cli {

namespace {

std::string use(std::string_view what, const std::string& when) {
  return fmt::format("<li><b>{}</b> {}</li>\n", what, when);
}

/// " (1 KiB there and back: 14.1 µs, for 8.20 µs of CPU time)"
std::string figures(const Json* table, const char* way) {
  const auto median = median_words(table, way);
  const auto cpu = cpu_words(table, way);
  if (!median) return {};
  if (!cpu) return fmt::format(" (1 KiB there and back: {})", *median);
  return fmt::format(" (1 KiB there and back: {}, for {} of CPU time)", *median, *cpu);
}

std::string advice_on_sockets(const Json* table) {
  std::string list;
  if (const auto shown = figures(table, "unix stream"); !shown.empty()) {
    list += use("A Unix stream socket",
                "for anything that asks and answers" + shown +
                    ": it knows who is at the other end, who comes and goes, passes descriptors, "
                    "and takes a name in the file system with permissions.");
  }
  if (const auto shown = figures(table, "unix seqpacket"); !shown.empty()) {
    list += use("Seqpacket",
                "when a message is never larger than a socket buffer, and you do not "
                "want to write down where it ends" +
                    shown + ".");
  }
  if (const auto shown = figures(table, "TCP, IPv4"); !shown.empty()) {
    list += use("TCP",
                "when the other side may move to another machine, or is in a container that "
                "shares no directory with yours" +
                    shown + ".");
  }
  return list;
}

std::string advice_on_pipes(const Results& results, const Json* table) {
  const auto shown = figures(table, "pipe");
  if (shown.empty()) return {};
  const bool faster = is_faster_somewhere(results, "one way", "pipe", "unix stream");
  return use("A pipe", "for a stream of bytes from a parent to its child" + shown +
                           (faster ? ", and where its lead one way is worth having no connections."
                                   : "; for its speed it need not be chosen here."));
}

std::string advice_on_memory(const Json* table) {
  std::string list;
  if (const auto shown = figures(table, "memory, spinning"); !shown.empty()) {
    list += use("Shared memory that spins",
                "when the machine has a CPU to give away on each side, for ever" + shown + ".");
  }
  if (const auto shown = figures(table, "memory, looking"); !shown.empty()) {
    list += use("Shared memory that looks for a while, then sleeps",
                "when messages come in bursts" + shown +
                    ": quick while they come, and idle otherwise. What you write into it yourself: "
                    "the ring, the wake-ups, and what happens when a side dies in the middle.");
  }
  return list;
}

std::string advice_on_tincan(const Json* table) {
  const auto shown = figures(table, "tincan");
  if (shown.empty()) return {};
  std::string text =
      "when you would rather call than write framing, deadlines and recovery" + shown;
  if (const auto comparison = compare(table, "tincan", "unix stream")) {
    text += ": " + compared_words(*comparison, "a call", "a bare round trip over a Unix socket");
  }
  return use("tincan", text + ".");
}

/// The quickest of the rows by the time of an operation.
const Json* quickest_in(const Json& table) {
  const Json* quickest = nullptr;
  for (const Json& row : list_in(table, "rows")) {
    if (!is_measured(row)) continue;
    const auto time = time_in(row);
    if (time && (quickest == nullptr || *time < *time_in(*quickest))) quickest = &row;
  }
  return quickest;
}

std::string advice_on_payloads(const Results& results) {
  const auto tables = results.by_size("payload");
  if (tables.empty()) return {};
  const Json& table = *tables.back();
  const Json* quickest = quickest_in(table);
  if (quickest == nullptr) return {};
  std::string text = fmt::format("the quickest way to hand over {} was {}, in {}",
                                 bytes_text(number_in(table, "bytes").value_or(0)),
                                 html(text_in(*quickest, "way")), time_text(*time_in(*quickest)));
  const Json* stream = row_of(&table, "unix stream");
  if (stream != nullptr && stream != quickest && time_in(*stream)) {
    text += fmt::format("; a Unix stream socket took {}", time_text(*time_in(*stream)));
  }
  return use("Large payloads:", text + ". Filling and reading all of it is part of the time.");
}

std::string advice_on_connections(const Results& results) {
  for (const Json& table : results.tables()) {
    if (text_in(table, "work") != "set-up" || !is_calm(table)) continue;
    const auto unix_median = median_words(&table, "unix stream");
    const auto tcp_median = median_words(&table, "TCP, IPv4");
    if (!unix_median) continue;
    std::string text = fmt::format(
        "connect, one message there and back, and close take {} over a "
        "Unix stream socket",
        *unix_median);
    if (tcp_median) text += fmt::format(" and {} over TCP", *tcp_median);
    return use("Keep connections:", text + ".");
  }
  return {};
}

}  // namespace

std::string advice_of(const Results& results) {
  const Json* table = results.main_table();
  const std::string list = advice_on_sockets(table) + advice_on_pipes(results, table) +
                           advice_on_memory(table) + advice_on_tincan(table) +
                           advice_on_payloads(results) + advice_on_connections(results);
  return list.empty() ? list : section("When to use what", "<ul>\n" + list + "</ul>\n");
}

}  // namespace cli
