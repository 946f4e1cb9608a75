#include "bench/table.h"

#include <fmt/format.h>

#include <iterator>

#include "sizes.h"
#include "text.h"

namespace cli {

namespace {

/// Three digits that count: "0.26", "4.51", "47.3", "1279".
std::string short_number(double value) {
  if (value < 10) return fmt::format("{:.2f}", value);
  return value < 100 ? fmt::format("{:.1f}", value) : fmt::format("{:.0f}", value);
}

/// "812", "13.4k", "1.96M".
std::string brief_count(double value) {
  if (value < 1000) return short_number(value);
  if (value < 1e6) return short_number(value / 1e3) + "k";
  return value < 1e9 ? short_number(value / 1e6) + "M" : short_number(value / 1e9) + "G";
}

/// "0.0057 ±18%", "1.04 ±6%".
std::string ratio_text(const Json& ratio) {
  if (ratio.is_null()) return "";
  const double median = ratio.at("median");
  const double spread = (ratio.at("high").get<double>() - ratio.at("low").get<double>()) / 2;
  const std::string value = median < 0.1  ? fmt::format("{:.2g}", median)
                            : median < 10 ? fmt::format("{:.2f}", median)
                                          : fmt::format("{:.0f}", median);
  const double percent = 100 * spread / std::max(median, 1e-9);
  return percent < 99.5 ? fmt::format("{} ±{:.0f}%", value, percent) : value + " ±>99%";
}

/// What does not belong to a kind of work, or is not known.
std::string number_text(const Json& value, int digits) {
  if (value.is_null()) return "-";
  const double number = value;
  return number < 1000 ? fmt::format("{:.{}f}", number, digits) : brief_count(number);
}

/// Times in the unit that suits the table.
struct Unit {
  const char* name;
  double nanoseconds;
};

Unit unit_of(const Json& table) {
  double least = 1e18;
  for (const Json& row : table.at("rows")) {
    if (row.contains("time") && !row.at("time").is_null()) {
      least = std::min(least, row.at("time").at("p50").get<double>());
    }
  }
  return least < 1e18 && least > 1e6 ? Unit{"ms", 1e6} : Unit{"µs", 1e3};
}

std::string cpu_text(const Json& row, const Unit& unit) {
  return short_number(row.at("cpu").at("client").get<double>() / unit.nanoseconds) + "+" +
         short_number(row.at("cpu").at("server").get<double>() / unit.nanoseconds);
}

std::string ending_of_row(const Json& row) {
  return fmt::format("{:>6}{:>6}{:>12}", number_text(row.at("switches"), 1),
                     number_text(row.at("system_calls"), 1), ratio_text(row.at("ratio")));
}

std::string timed_row(const Json& row, const Unit& unit, bool shows_bytes) {
  const auto time = [&](const char* which) {
    return short_number(row.at("time").at(which).get<double>() / unit.nanoseconds);
  };
  const double rate = shows_bytes ? row.at("bytes_per_second").get<double>()
                                  : row.at("per_second").at("median").get<double>();
  return fmt::format("{:>7}{:>7}{:>7}{:>7}{:>7}{:>8}{:>12}{}", time("p50"), time("p90"),
                     time("p99"), time("p999"), time("max"), brief_count(rate), cpu_text(row, unit),
                     ending_of_row(row));
}

std::string streamed_row(const Json& row, const Unit& unit) {
  const Json& rate = row.at("per_second");
  return fmt::format("{:>9}{:>17}{:>9}{:>12}{}", brief_count(rate.at("median")),
                     brief_count(rate.at("low")) + " … " + brief_count(rate.at("high")),
                     brief_count(row.at("bytes_per_second")), cpu_text(row, unit),
                     ending_of_row(row));
}

std::string idle_row(const Json& row) {
  return fmt::format("{:>12}{:>12}", row.at("memory").at("server_bytes").get<std::uint64_t>(),
                     row.at("memory").at("kernel_bytes").get<std::uint64_t>());
}

std::string head_of_columns(const Json& table, const Unit& unit) {
  const auto work = table.at("work").get<std::string>();
  const std::string cpu = fmt::format("CPU {}", unit.name);
  const std::string ending = fmt::format("{:>6}{:>6}{:>12}", "sw", "calls", "to baseline");
  if (work == "idle") return fmt::format("{:>12}{:>12}", "server B", "kernel B");
  if (work == "one way") {
    return fmt::format("{:>9}{:>17}{:>9}{:>12}{}", "/s", "of the rounds", "B/s", cpu, ending);
  }
  return fmt::format("{:>7}{:>7}{:>7}{:>7}{:>7}{:>8}{:>12}{}", fmt::format("p50 {}", unit.name),
                     "p90", "p99", "p99.9", "max", work == "payload" ? "B/s" : "/s", cpu, ending);
}

std::string text_of_row(const Json& row, const std::string& work, const Unit& unit) {
  if (row.contains("left_out"))
    return "  left out: " + escaped_line(row.at("left_out").get<std::string>());
  if (row.contains("failed"))
    return "  FAILED: " + escaped_line(row.at("failed").get<std::string>());
  if (work == "idle") return idle_row(row);
  return work == "one way" ? streamed_row(row, unit) : timed_row(row, unit, work == "payload");
}

std::string capitalised(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace

std::string title_of(const Json& table) {
  const auto work = table.at("work").get<std::string>();
  std::string title = capitalised(work);
  if (work == "idle") return title + " connections: bytes of memory for each";
  title += " of " + format_size(table.at("bytes").get<std::uint64_t>());
  if (work == "fan-in") {
    title += ", " + counted(table.at("clients").get<unsigned>(), "client", "clients");
  }
  const auto placement = table.at("placement").get<std::string>();
  title += placement == "free" ? ", wherever the kernel puts them" : ", " + placement;
  if (!table.at("beside").is_null()) title += ", beside " + table.at("beside").get<std::string>();
  if (!table.at("rate").is_null())
    title += fmt::format(", {:g} a second", table.at("rate").get<double>());
  return escaped_line(title);
}

std::string text_of_table(const Json& table) {
  const Unit unit = unit_of(table);
  const auto work = table.at("work").get<std::string>();
  std::string text = fmt::format("{}\n", title_of(table));
  text += fmt::format("{:<21}{}\n", "", head_of_columns(table, unit));
  for (const Json& row : table.at("rows")) {
    text += fmt::format("{:<21}{}\n", escaped_line(row.at("way").get<std::string>()),
                        text_of_row(row, work, unit));
  }
  return text;
}

std::string legend() {
  return "p50 … max: of all rounds. CPU: client + server, for each operation, also what is burnt "
         "in\n"
         "looking. sw: context switches, calls: system calls of both sides, for each operation.\n"
         "to baseline: the time of an operation against that of unix stream in the same round; "
         "the\n"
         "median of the rounds, and how far that of another run may be from it.\n";
}

}  // namespace cli
