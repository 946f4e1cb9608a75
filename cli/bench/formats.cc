#include <fmt/format.h>

#include <iterator>

#include "bench/table.h"
#include "text.h"

// Results for other programs, and beside earlier ones.

namespace cli {

namespace {

constexpr const char* csv_head =
    "work,bytes,placement,beside,clients,rate,way,rounds,operations,p50_ns,p90_ns,p99_ns,p999_ns,"
    "max_ns,mean_ns,per_second,per_second_low,per_second_high,bytes_per_second,client_cpu_ns,"
    "server_cpu_ns,switches,system_calls,ratio,ratio_low,ratio_high,server_bytes,kernel_bytes,"
    "note\n";

/// RFC 4180. What a spreadsheet would take for a formula gets a quote before it, which makes it
/// text.
std::string field(const Json& value) {
  if (value.is_null()) return "";
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (value.is_string() && text.find_first_of("=+-@\t\r") == 0) text.insert(0, 1, '\'');
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"') quoted += '"';
    quoted += letter;
  }
  quoted += '"';
  return quoted;
}

/// Null where there is no such thing.
Json inside(const Json& row, const char* outer, const char* inner) {
  if (!row.contains(outer) || !row[outer].is_object()) return {};
  return row[outer].value(inner, Json());
}

Json of(const Json& row, const char* name) { return row.value(name, Json()); }

std::string csv_line(const Json& table, const Json& row) {
  const Json note = row.contains("failed") ? row.at("failed") : of(row, "left_out");
  const Json fields[] = {table.at("work"),
                         row.at("bytes"),
                         table.at("placement"),
                         table.at("beside"),
                         table.at("clients"),
                         table.at("rate"),
                         row.at("way"),
                         of(row, "rounds"),
                         of(row, "operations"),
                         inside(row, "time", "p50"),
                         inside(row, "time", "p90"),
                         inside(row, "time", "p99"),
                         inside(row, "time", "p999"),
                         inside(row, "time", "max"),
                         inside(row, "time", "mean"),
                         inside(row, "per_second", "median"),
                         inside(row, "per_second", "low"),
                         inside(row, "per_second", "high"),
                         of(row, "bytes_per_second"),
                         inside(row, "cpu", "client"),
                         inside(row, "cpu", "server"),
                         of(row, "switches"),
                         of(row, "system_calls"),
                         inside(row, "ratio", "median"),
                         inside(row, "ratio", "low"),
                         inside(row, "ratio", "high"),
                         inside(row, "memory", "server_bytes"),
                         inside(row, "memory", "kernel_bytes"),
                         note};
  std::string line;
  for (const Json& each : fields) {
    if (!line.empty()) line += ',';
    line += field(each);
  }
  line += '\n';
  return line;
}

bool is_same_task(const Json& one, const Json& other) {
  for (const char* key : {"work", "bytes", "placement", "beside", "clients", "rate", "baseline"}) {
    if (one.at(key) != other.at(key)) return false;
  }
  return true;
}

const Json* find_row(const Json& results, const Json& table, const Json& row) {
  for (const Json& other : results.at("tables")) {
    if (!is_same_task(table, other)) continue;
    for (const Json& each : other.at("rows")) {
      if (each.at("way") == row.at("way")) return &each;
    }
  }
  return nullptr;
}

bool is_within(double value, const Json& spread) {
  return value >= spread.at("low").get<double>() && value <= spread.at("high").get<double>();
}

}  // namespace

std::string csv_of(const Json& results) {
  std::string text = csv_head;
  for (const Json& table : results.at("tables")) {
    for (const Json& row : table.at("rows")) text += csv_line(table, row);
  }
  return text;
}

std::string compare(const Json& results, const Json& earlier) {
  std::string text =
      fmt::format("Against the run of {}:\n", escaped_line(earlier.at("date").get<std::string>()));
  std::size_t compared = 0;
  std::size_t apart = 0;
  for (const Json& table : results.at("tables")) {
    for (const Json& row : table.at("rows")) {
      const Json* const before = find_row(earlier, table, row);
      if (before == nullptr || of(row, "ratio").is_null() || of(*before, "ratio").is_null()) {
        continue;
      }
      ++compared;
      const double now = row.at("ratio").at("median");
      const double then = (*before).at("ratio").at("median");
      if (is_within(now, (*before).at("ratio")) || is_within(then, row.at("ratio"))) continue;
      ++apart;
      text += fmt::format("  {}, {}: {:.3g} of the baseline, {:.3g} then: {:+.0f} %\n",
                          title_of(table), escaped_line(row.at("way").get<std::string>()), now,
                          then, 100 * (now / then - 1));
    }
  }
  text += fmt::format(
      "  {} rows are in both; {} of them as before, within what either run expects "
      "of another.\n",
      compared, compared - apart);
  return text;
}

}  // namespace cli
