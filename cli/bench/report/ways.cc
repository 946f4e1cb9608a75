#include "bench/report/ways.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace cli {

namespace {

/// What is not named here is a library, and stands where the empty name does.
constexpr std::array<const char*, 24> reading_order = {"unix stream",
                                                       "tincan",
                                                       "TCP, IPv4",
                                                       "pipe",
                                                       "memory, spinning",
                                                       "tincan, socket",
                                                       "tincan, ring",
                                                       "",
                                                       "memory, futex",
                                                       "memory, looking",
                                                       "POSIX queue",
                                                       "UDP, IPv4",
                                                       "unix stream, batched",
                                                       "memory, batched",
                                                       "unix stream, looking",
                                                       "unix seqpacket",
                                                       "FIFO",
                                                       "System V queue",
                                                       "mapped file",
                                                       "unix datagram",
                                                       "TCP, IPv6",
                                                       "UDP, IPv6",
                                                       "eventfd",
                                                       "signal"};

std::size_t place_in_order(const std::string& way) {
  const auto* const found = std::ranges::find(reading_order, way);
  const auto* const libraries = std::ranges::find(reading_order, std::string());
  return static_cast<std::size_t>((found == reading_order.end() ? libraries : found) -
                                  reading_order.begin());
}

constexpr std::array<int, 10> point_cycle = {5, 9, 11, 13, 4, 8, 10, 12, 2, 15};
constexpr std::array<const char*, 4> dash_cycle = {"", "9 3", "3 2", "9 3 2 3"};
constexpr int colours_of_others = 10;

/// gnuplot's shapes, as large as a unit.
std::string shape_of(int point) {
  static constexpr const char* square = "M-1-1h2v2h-2z";
  static constexpr const char* circle = "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z";
  static constexpr const char* up = "M0-1.33L-1.33 .67H1.33z";
  static constexpr const char* down = "M0 1.33L-1.33-.67H1.33z";
  static constexpr const char* diamond = "M0-1.41L1.41 0 0 1.41-1.41 0z";
  static constexpr const char* pentagon = "M0-1.33L-1.27-.41-.78 1.07H.78L1.27-.41z";
  static constexpr const char* cross = "M-1-1L1 1M1-1L-1 1";
  static constexpr std::array<const char*, 14> shapes = {
      cross, cross, square, square,  circle,  circle,   up,
      up,    down,  down,   diamond, diamond, pentagon, pentagon};
  const bool filled = point >= 4 && point % 2 == 1;
  return fmt::format(R"svg(<path d="{}" transform="translate(20 7) scale(4)" )svg"
                     R"svg(stroke-width=".4" fill="{}"/>)svg",
                     shapes.at(static_cast<std::size_t>(point - 2)),
                     filled ? "currentColor" : "none");
}

}  // namespace

WayLooks::WayLooks(const Results& results) {
  for (const Json& table : results.tables()) {
    for (const Json& row : list_in(table, "rows")) {
      const std::string way = text_in(row, "way");
      if (is_measured(row) && std::ranges::find(order_, way) == order_.end()) order_.push_back(way);
    }
  }
  std::ranges::stable_sort(order_, {}, place_in_order);
}

bool is_tincan(const std::string& way) { return way.starts_with("tincan"); }

WayLook WayLooks::look(const std::string& way) const {
  // One colour for all of ours, and thicker: what the reader came for is found at a glance.
  if (way == "tincan") return {.colour = 0, .point = 7, .width = 3};
  if (way == "tincan, socket") return {.colour = 0, .point = 6, .dash = "9 4", .width = 2.4};
  if (is_tincan(way)) return {.colour = 0, .point = 13, .dash = "3 3", .width = 2.4};
  std::size_t place = 0;
  for (const std::string& other : order_) {
    if (other == way) break;
    if (!is_tincan(other)) ++place;
  }
  return {.colour = 1 + static_cast<int>(place % colours_of_others),
          .point = point_cycle[(place + place / point_cycle.size()) % point_cycle.size()],
          .dash = dash_cycle[(place + place / colours_of_others) % dash_cycle.size()]};
}

std::vector<std::string> WayLooks::choose(const std::vector<std::string>& ways) const {
  std::vector<std::string> chosen;
  for (const std::string& way : order_) {
    if (chosen.size() < series_max && std::ranges::find(ways, way) != ways.end()) {
      chosen.push_back(way);
    }
  }
  return chosen;
}

std::string key_of(const WayLook& look, bool with_line) {
  const std::string line =
      with_line ? fmt::format(R"(<path d="M1 7H39" stroke-width="{}" stroke-dasharray="{}"/>)",
                              look.width, *look.dash == '\0' ? "none" : look.dash)
                : "";
  return fmt::format(R"svg(<svg class="key" viewBox="{} 0 {} 14" width="{}" height="14" )svg"
                     R"svg(aria-hidden="true" style="color:var(--s{})" stroke="currentColor">)svg"
                     "{}{}</svg>",
                     with_line ? 0 : 12, with_line ? 40 : 16, with_line ? 40 : 16, look.colour,
                     line, shape_of(look.point));
}

}  // namespace cli
