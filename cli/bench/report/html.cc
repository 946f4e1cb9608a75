#include "bench/report/html.h"

#include <fmt/format.h>

#include <cmath>

#include "text.h"

namespace cli {

namespace {

constexpr const char* fixed_space = "\u00a0";

struct ReportUnit {
  double size;
  const char* name;
};

/// Three digits, of which none stands behind a larger number than that.
std::string three_digits(double number) {
  const double size = std::abs(number);
  if (size >= 99.95) return fmt::format("{:.0f}", number);
  return size >= 9.995 ? fmt::format("{:.1f}", number) : fmt::format("{:.2f}", number);
}

template <std::size_t Count>
std::string with_unit(double number, const ReportUnit (&units)[Count], const char* least) {
  for (const auto& [size, name] : units) {
    // What rounds up to the larger unit is written in it: "1.00 µs", not "1000 ns".
    if (number >= size * 0.9995) return three_digits(number / size) + fixed_space + name;
  }
  return fmt::format("{}{}{}", three_digits(number), fixed_space, least);
}

std::string without_zeros(std::string number) {
  if (number.find('.') == std::string::npos) return number;
  number.erase(number.find_last_not_of('0') + 1);
  if (number.back() == '.') number.pop_back();
  return number;
}

}  // namespace

std::string html(std::string_view text) {
  std::string safe;
  for (const char letter : escaped_line(text)) {
    switch (letter) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += letter;
    }
  }
  return safe;
}

std::string time_text(double time) {
  static constexpr ReportUnit units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}};
  if (time > 0 && time < 999.5) {
    return fmt::format("{:.{}f}{}ns", time, time < 9.95 ? 1 : 0, fixed_space);
  }
  return time <= 0 ? fmt::format("0{}ns", fixed_space) : with_unit(time, units, "ns");
}

std::string count_text(double count) {
  if (count >= 999'500) return three_digits(count / 1e6) + fixed_space + "million";
  if (count < 99.95) return without_zeros(three_digits(count));
  const double step = std::pow(10, std::floor(std::log10(count)) - 2);
  const std::string digits = fmt::format("{:.0f}", std::round(count / step) * step);
  std::string grouped;
  for (std::size_t at = 0; at < digits.size(); ++at) {
    if (at > 0 && (digits.size() - at) % 3 == 0) grouped += ',';
    grouped += digits[at];
  }
  return grouped;
}

std::string short_count(double count) {
  static constexpr ReportUnit units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  for (const auto& [size, name] : units) {
    if (count >= size) return fmt::format("{:g}{}{}", count / size, fixed_space, name);
  }
  return fmt::format("{:g}", count);
}

std::string bandwidth_text(double bytes_per_second) {
  static constexpr ReportUnit units[] = {{1e9, "GB/s"}, {1e6, "MB/s"}, {1e3, "kB/s"}};
  return with_unit(bytes_per_second, units, "B/s");
}

std::string bytes_text(double bytes) {
  static constexpr ReportUnit units[] = {{0x1p30, "GiB"}, {0x1p20, "MiB"}, {0x1p10, "KiB"}};
  for (const auto& [size, name] : units) {
    if (bytes >= size) {
      return without_zeros(three_digits(bytes / size)) + fixed_space + name;
    }
  }
  return fmt::format("{:.0f}{}{}", bytes, fixed_space, bytes == 1 ? "byte" : "bytes");
}

std::string times_text(double times) {
  return times < 0.0995 ? fmt::format("{:.2g}", times) : three_digits(times);
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string list;
  for (const std::string& word : words) {
    if (&word != &words.front()) list += between;
    list += word;
  }
  return list;
}

std::string listed(const std::vector<std::string>& words) {
  std::string list;
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (at > 0) list += at + 1 == words.size() ? " and " : ", ";
    list += words[at];
  }
  return list;
}

}  // namespace cli
