#include "bench/report/results.h"

#include <algorithm>
#include <array>
#include <map>

namespace cli {

namespace {

constexpr std::array<std::string_view, 3> placements_best_first = {"different CPUs", "free",
                                                                   "one CPU"};
constexpr double least_difference = 1.03;

bool is_table_of(const Json& table, std::string_view work, std::string_view placement) {
  return text_in(table, "work") == work && text_in(table, "placement") == placement;
}

Comparison comparison_of(double ratio, double low, double high) {
  if (low <= 1 && high >= 1) return {Comparison::same, 1};
  if (ratio > 0 && ratio < 1 / least_difference) return {Comparison::faster, 1 / ratio};
  return {ratio > least_difference ? Comparison::slower : Comparison::same, std::max(ratio, 1.0)};
}

/// From rounds in which both ran one after the other, so that what befell one befell both.
std::optional<Comparison> compared_in_rounds(const Json& row, bool inverse) {
  const auto ratio = number_in(row, "ratio", "median");
  const auto low = number_in(row, "ratio", "low");
  const auto high = number_in(row, "ratio", "high");
  if (!ratio || !low || !high || *ratio <= 0 || *low <= 0 || *high <= 0) return std::nullopt;
  return inverse ? comparison_of(1 / *ratio, 1 / *high, 1 / *low)
                 : comparison_of(*ratio, *low, *high);
}

}  // namespace

std::optional<double> number_in(const Json& object, const char* name) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::optional<double> number_in(const Json& object, const char* part, const char* name) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(part);
  return found == object.end() ? std::nullopt : number_in(*found, name);
}

std::string text_in(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& list_in(const Json& object, const char* name) {
  static const Json none = Json::array();
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : none;
}

bool is_measured(const Json& row) {
  return text_in(row, "left_out").empty() && text_in(row, "failed").empty();
}

std::optional<double> cpu_in(const Json& row) {
  const auto client = number_in(row, "cpu", "client");
  const auto server = number_in(row, "cpu", "server");
  if (!client || !server) return std::nullopt;
  return *client + *server;
}

std::optional<double> time_in(const Json& row) {
  if (const auto median = number_in(row, "time", "p50")) return median;
  const auto rate = number_in(row, "per_second", "median");
  if (!rate || *rate <= 0) return std::nullopt;
  return 1e9 / *rate;
}

std::optional<double> bandwidth_in(const Json& row) { return number_in(row, "bytes_per_second"); }

const Json* row_of(const Json* table, std::string_view way) {
  if (table == nullptr) return nullptr;
  for (const Json& row : list_in(*table, "rows")) {
    if (text_in(row, "way") == way && is_measured(row)) return &row;
  }
  return nullptr;
}

std::optional<double> time_of(const Json* table, std::string_view way, const char* name) {
  const Json* row = row_of(table, way);
  if (row == nullptr) return std::nullopt;
  return number_in(*row, "time", name);
}

bool is_calm(const Json& table) {
  return text_in(table, "beside").empty() && !number_in(table, "rate");
}

const Json& Results::machine() const {
  static const Json unknown;
  if (!json_.is_object()) return unknown;
  const auto found = json_.find("machine");
  return found != json_.end() ? *found : unknown;
}

const Json* Results::table(std::string_view work, double bytes, std::string_view placement) const {
  for (const Json& table : tables()) {
    if (is_table_of(table, work, placement) && number_in(table, "bytes") == bytes &&
        is_calm(table) && number_in(table, "clients").value_or(1) == 1) {
      return &table;
    }
  }
  return nullptr;
}

const Json* Results::table(std::string_view work, double bytes) const {
  for (const std::string_view placement : placements_best_first) {
    if (const Json* found = table(work, bytes, placement)) return found;
  }
  return nullptr;
}

std::vector<const Json*> Results::by_size(std::string_view work) const {
  std::vector<const Json*> most;
  for (const std::string_view placement : placements_best_first) {
    std::map<double, const Json*> sizes;
    for (const Json& table : tables()) {
      const auto bytes = number_in(table, "bytes");
      if (bytes && is_table_of(table, work, placement)) {
        if (const Json* calm = this->table(work, *bytes, placement)) sizes.emplace(*bytes, calm);
      }
    }
    if (sizes.size() <= most.size()) continue;
    most.clear();
    for (const auto& [bytes, table] : sizes) most.push_back(table);
  }
  return most;
}

std::vector<const Json*> Results::by_clients() const {
  std::map<std::pair<std::string, double>, std::map<double, const Json*>> groups;
  for (const Json& table : tables()) {
    const auto clients = number_in(table, "clients");
    if (text_in(table, "work") != "fan-in" || !is_calm(table) || !clients) continue;
    groups[{text_in(table, "placement"), number_in(table, "bytes").value_or(0)}].emplace(*clients,
                                                                                         &table);
  }
  std::vector<const Json*> most;
  for (const auto& [kind, group] : groups) {
    if (group.size() <= most.size()) continue;
    most.clear();
    for (const auto& [clients, table] : group) most.push_back(table);
  }
  return most;
}

std::optional<Comparison> compare(const Json* table, std::string_view way, std::string_view other) {
  const Json* row = row_of(table, way);
  const Json* against = row_of(table, other);
  if (row == nullptr || against == nullptr) return std::nullopt;
  const std::string baseline = text_in(*table, "baseline");
  if (baseline == other) {
    if (const auto compared = compared_in_rounds(*row, false)) return compared;
  } else if (baseline == way) {
    if (const auto compared = compared_in_rounds(*against, true)) return compared;
  }
  const auto time = time_in(*row);
  const auto other_time = time_in(*against);
  if (!time || !other_time || *time <= 0 || *other_time <= 0) return std::nullopt;
  const double ratio = *time / *other_time;
  return comparison_of(ratio, ratio, ratio);
}

}  // namespace cli
