#include "bench/report/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "bench/report/html.h"
#include "bench/report/ways.h"

namespace cli {

namespace {

/// A column stands in a table of which any row has something in it.
struct ReportColumn {
  const char* head;
  const char* meaning;
  std::function<std::string(const Json& row)> cell;  ///< HTML; empty: nothing is known.
};

ReportColumn time_column(const char* head, const char* meaning, const char* name) {
  return {head, meaning, [name](const Json& row) {
            const auto time = number_in(row, "time", name);
            return time ? time_text(*time) : std::string();
          }};
}

/// The median of the rounds and, smaller, what it is said to lie between.
std::string with_interval(const Json& row, const char* part, std::string (*text)(double)) {
  const auto median = number_in(row, part, "median");
  if (!median) return {};
  const auto low = number_in(row, part, "low");
  const auto high = number_in(row, part, "high");
  if (!low || !high) return text(*median);
  return fmt::format("{}<small>{} – {}</small>", text(*median), text(*low), text(*high));
}

std::string cpu_cell(const Json& row) {
  const auto both = cpu_in(row);
  if (!both) return {};
  return fmt::format("{}<small>{} + {}</small>", time_text(*both),
                     time_text(number_in(row, "cpu", "client").value_or(0)),
                     time_text(number_in(row, "cpu", "server").value_or(0)));
}

std::string ratio_cell(const Json& row) {
  const auto low = number_in(row, "ratio", "low");
  const auto high = number_in(row, "ratio", "high");
  if (low == 1 && high == 1) return "1";  // the baseline itself
  return with_interval(row, "ratio", times_text);
}

std::string small_number(const Json& row, const char* name) {
  const auto number = number_in(row, name);
  if (!number) return {};
  return *number != 0 && *number < 0.005 ? "&lt; 0.01" : fmt::format("{:.3g}", *number);
}

std::string memory_cell(const Json& row, const char* name) {
  const auto bytes = number_in(row, "memory", name);
  return bytes ? bytes_text(*bytes) : std::string();
}

/// As narrow as a column should be: "2.98 M".
std::string short_rate(double rate) {
  if (rate < 999'500) return count_text(rate);
  return fmt::format("{}\u00a0M", times_text(rate / 1e6));
}

std::string rounds_cell(const Json& row) {
  const auto rounds = number_in(row, "rounds");
  const auto operations = number_in(row, "operations");
  if (!rounds || !operations) return {};
  return fmt::format("{:g}<small>{}</small>", *rounds, short_rate(*operations));
}

std::string bandwidth_cell(const Json& row) {
  const auto bandwidth = bandwidth_in(row);
  return bandwidth ? bandwidth_text(*bandwidth) : std::string();
}

constexpr const char* relative_time = "relative time";

std::vector<ReportColumn> all_columns() {
  return {time_column("p50", "the median time of an operation", "p50"),
          time_column("p90", "nine in ten take no longer", "p90"),
          time_column("p99", "99 in 100 take no longer", "p99"),
          time_column("p99.9", "999 in 1,000 take no longer", "p999"),
          time_column("max", "the longest of all", "max"),
          {"a second",
           "operations of all clients: the median round, and what nine tenths of them lie between",
           [](const Json& row) { return with_interval(row, "per_second", short_rate); }},
          {"bytes", "bytes of messages, in one direction", bandwidth_cell},
          {relative_time,
           "of an operation, to the baseline's in the same round: the median, and what that "
           "of another run is expected to lie between",
           ratio_cell},
          {"CPU", "CPU time of an operation: both sides, then client and server", cpu_cell},
          {"switches", "context switches of an operation, both sides",
           [](const Json& row) { return small_number(row, "switches"); }},
          {"system calls", "of an operation, both sides",
           [](const Json& row) { return small_number(row, "system_calls"); }},
          time_column("mean", "of all", "mean"),
          {"server's memory", "resident, for each connection",
           [](const Json& row) { return memory_cell(row, "server_bytes"); }},
          {"kernel's memory", "for each connection",
           [](const Json& row) { return memory_cell(row, "kernel_bytes"); }},
          {"rounds", "and operations in all of them", rounds_cell}};
}

std::vector<ReportColumn> columns_of(const Json& table) {
  std::vector<ReportColumn> columns = all_columns();
  const Json& rows = list_in(table, "rows");
  const bool idle = text_in(table, "work") == "idle";
  std::erase_if(columns, [&](const ReportColumn& column) {
    // Connections that nobody uses do nothing a second.
    if (idle && std::string_view(column.head).find("memory") == std::string_view::npos) return true;
    return std::ranges::all_of(
        rows, [&](const Json& row) { return !is_measured(row) || column.cell(row).empty(); });
  });
  return columns;
}

std::string name_cell(const Json& row) {
  const std::string way = text_in(row, "way");
  return fmt::format(R"(<th scope="row" title="{}">{}</th>)", html(text_in(row, "does")),
                     html(way));
}

std::string missing_row(const Json& row, std::size_t columns) {
  const std::string left_out = text_in(row, "left_out");
  const std::string why =
      left_out.empty() ? "failed: " + text_in(row, "failed") : "left out: " + left_out;
  return fmt::format("<tr class=\"{}\">{}<td colspan=\"{}\"><span>{}</span></td></tr>\n",
                     left_out.empty() ? "failed" : "out", name_cell(row),
                     std::max<std::size_t>(columns, 1), html(why));
}

std::string row_in(const std::vector<ReportColumn>& columns, const Json& row) {
  if (!is_measured(row)) return missing_row(row, columns.size());
  std::string line = fmt::format(
      "<tr{}>{}", is_tincan(text_in(row, "way")) ? " class=\"ours\"" : "", name_cell(row));
  for (const ReportColumn& column : columns) {
    const std::string cell = column.cell(row);
    line += fmt::format("<td>{}</td>", cell.empty() ? "–" : cell);
  }
  return line + "</tr>\n";
}

std::string heading_of(const Json& table) {
  std::vector<std::string> parts;
  const std::string work = text_in(table, "work");
  const auto clients = number_in(table, "clients").value_or(1);
  if (const auto bytes = number_in(table, "bytes"); bytes && work != "idle") {
    parts.push_back(bytes_text(*bytes));
  }
  parts.push_back(text_in(table, "placement"));
  if (clients != 1) {
    parts.push_back(count_text(clients) + (work == "idle" ? " connections" : " clients"));
  }
  if (const auto rate = number_in(table, "rate")) {
    parts.push_back(count_text(*rate) + " a second and no more");
  }
  if (!text_in(table, "beside").empty()) parts.push_back("beside " + text_in(table, "beside"));
  return fmt::format("{}: {}", work, joined(parts, ", "));
}

std::string table_of(const Json& table, bool open) {
  const auto columns = columns_of(table);
  std::string head = "<th scope=\"col\">way</th>";
  for (const ReportColumn& column : columns) {
    head += fmt::format(R"(<th scope="col" title="{}">{}</th>)", column.meaning, column.head);
  }
  std::string body;
  for (const Json& row : list_in(table, "rows")) body += row_in(columns, row);
  const bool is_relative =
      std::ranges::find(columns, relative_time, &ReportColumn::head) != columns.end();
  const std::string relative =
      is_relative
          ? fmt::format(
                "<p>Times are relative to {} in the same round: below 1 is faster. Those of "
                "another run are expected between the small numbers.</p>",
                html(text_in(table, "baseline")))
          : "";
  const std::string heading = html(heading_of(table));
  return fmt::format(
      "<details{}><summary>{}</summary>{}\n<div class=\"scroll\" tabindex=\"0\" "
      "role=\"region\" aria-label=\"{}\"><table><thead><tr>{}</tr></thead>"
      "<tbody>\n{}</tbody></table></div></details>\n",
      open ? " open" : "", heading, relative, heading, head, body);
}

/// The size that the report speaks of, or whatever comes first.
const Json* first_to_read(const Results& results, std::string_view work) {
  const Json* first = nullptr;
  for (const Json& table : results.tables()) {
    if (text_in(table, "work") != work) continue;
    if (number_in(table, "bytes") == 1024) return &table;
    if (first == nullptr) first = &table;
  }
  return first;
}

struct WorkText {
  const char* work;
  const char* heading;
  const char* meaning;
};

constexpr std::array<WorkText, 6> work_texts = {
    {{"round trip", "Round trip", "A message, and one of the same size back. Then the next."},
     {"one way", "One way", "Messages that nobody answers, until the last of a round has arrived."},
     {"fan-in", "Fan-in", "Round trips of many clients with one server, all at once."},
     {"set-up", "Set-up", "Connect, one message there and back, close."},
     {"payload", "Payload", "Fill a large message, pass it, read all of it, and say so."},
     {"idle", "Idle", "Connections that nobody uses: what they take."}}};

}  // namespace

std::string tables_of(const Results& results) {
  std::string page;
  for (const WorkText& text : work_texts) {
    const Json* open = first_to_read(results, text.work);
    std::string tables;
    for (const Json& table : results.tables()) {
      if (text_in(table, "work") == text.work) tables += table_of(table, &table == open);
    }
    if (tables.empty()) continue;
    page += fmt::format("<h3>{}</h3>\n<p>{}</p>\n{}", text.heading, text.meaning, tables);
  }
  return page;
}

std::string list_of_ways(const Results& results) {
  std::vector<std::string> seen;
  std::string list;
  for (const Json& table : results.tables()) {
    for (const Json& row : list_in(table, "rows")) {
      const std::string way = text_in(row, "way");
      if (std::ranges::find(seen, way) != seen.end()) continue;
      seen.push_back(way);
      list +=
          fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html(way), html(text_in(row, "does")));
    }
  }
  return "<dl class=\"ways\">\n" + list + "</dl>\n";
}

}  // namespace cli
