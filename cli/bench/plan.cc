#include "bench/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sizes.h"

namespace cli {

using bench::Placement;
using bench::WayEntry;
using bench::Work;

namespace {

/// So few rounds are not worth beginning more than once for. Chosen.
constexpr unsigned rounds_of_one_pass = 9;
constexpr std::size_t kibibyte = 1024;
constexpr std::size_t mebibyte = 1024 * kibibyte;

constexpr std::array<std::pair<Work, std::string_view>, 6> work_names = {{
    {Work::round_trip, "round trip"},
    {Work::one_way, "one way"},
    {Work::fan_in, "fan-in"},
    {Work::set_up, "set-up"},
    {Work::payload, "payload"},
    {Work::idle, "idle"},
}};

/// What each extent measures, unless something else is asked for.
struct Usual {
  Work work;
  std::vector<std::uint64_t> sizes;
  std::vector<Placement> placements;
  std::vector<unsigned> clients = {1};
};

using Extent = BenchChoice::Extent;
constexpr auto on_different = Placement::different;
constexpr auto on_same = Placement::same;
constexpr auto anywhere = Placement::free;

const std::vector<Usual>& usual_tables(Extent extent) {
  static const std::vector<Usual> quick = {
      {Work::round_trip, {kibibyte}, {on_different, on_same}},
      {Work::one_way, {kibibyte}, {on_different}},
      {Work::payload, {8 * mebibyte}, {on_different}},
  };
  static const std::vector<Usual> usual = {
      {Work::round_trip, {kibibyte}, {on_different, on_same, anywhere}},
      {Work::round_trip, {64 * kibibyte}, {on_different}},
      {Work::one_way, {100, kibibyte, 64 * kibibyte}, {on_different}},
      {Work::fan_in, {kibibyte}, {anywhere}, {4}},
      {Work::set_up, {64}, {on_same}},
      {Work::payload, {64 * mebibyte}, {on_different}},
      {Work::idle, {64}, {anywhere}},
  };
  static const std::vector<Usual> full = {
      {Work::round_trip, {kibibyte}, {on_different, on_same, anywhere}},
      {Work::round_trip, {1, 100, 8 * kibibyte, 64 * kibibyte, mebibyte}, {on_different}},
      {Work::one_way, {1, 100, kibibyte, 8 * kibibyte, 64 * kibibyte, mebibyte}, {on_different}},
      {Work::fan_in, {kibibyte}, {anywhere}, {1, 2, 4, 8, 16}},
      {Work::set_up, {64}, {on_different, on_same}},
      {Work::payload, {mebibyte, 16 * mebibyte, 128 * mebibyte, 1024 * mebibyte}, {on_different}},
      {Work::idle, {64}, {anywhere}},
  };
  switch (extent) {
    case Extent::quick:
      return quick;
    case Extent::full:
      return full;
    case Extent::usual:
      break;
  }
  return usual;
}

template <class T>
const std::vector<T>& chosen(const std::vector<T>& wanted, const std::vector<T>& usual) {
  return wanted.empty() ? usual : wanted;
}

/// "8 KiB", but "65507 bytes".
std::string exact(std::size_t bytes) {
  return bytes % kibibyte == 0 ? format_size(bytes) : fmt::format("{} bytes", bytes);
}

/// Why `way` is not measured with messages of `bytes`; empty: it is, and `bytes` may be changed to
/// what it carries.
std::string why_left_out(const WayEntry& way, std::size_t& bytes) {
  if (way.bytes_min == way.bytes_max) {
    if (bytes > kibibyte) return fmt::format("carries {} only", format_size(way.bytes_max));
    bytes = way.bytes_max;
    return {};
  }
  if (bytes > way.bytes_max) return fmt::format("carries {} at most here", exact(way.bytes_max));
  if (bytes < way.bytes_min) return fmt::format("carries {} at least", exact(way.bytes_min));
  return {};
}

bool is_wanted(const WayEntry& way, const BenchChoice& choice) {
  if (choice.ways.empty() || way.name == choice.baseline) return true;
  return std::ranges::any_of(choice.ways, [&](const std::string& part) {
    return way.name.find(part) != std::string::npos;
  });
}

std::vector<PlannedRow> rows_for(const PlannedTable& table, const BenchChoice& choice,
                                 const std::vector<WayEntry>& ways) {
  std::vector<PlannedRow> rows;
  for (const WayEntry& way : ways) {
    if (std::ranges::find(way.works, table.work) == way.works.end()) continue;
    if (!is_wanted(way, choice)) continue;
    std::size_t bytes = table.bytes;
    std::string left_out = why_left_out(way, bytes);
    rows.push_back({.way = &way, .bytes = bytes, .left_out = std::move(left_out)});
  }
  return rows;
}

class Planner {
 public:
  Planner(const BenchChoice& choice, const std::vector<WayEntry>& ways, unsigned cpus)
      : choice_(choice), ways_(ways), cpus_(cpus) {}

  Plan make() {
    for (const Usual& usual : usual_tables(choice_.extent)) {
      if (is_chosen(usual.work)) add(usual);
    }
    // What the extent leaves out, and was asked for all the same.
    for (const Work work : choice_.works) {
      const bool is_there = std::ranges::any_of(
          plan_.tables, [&](const PlannedTable& table) { return table.work == work; });
      if (!is_there) add_from_full(work);
    }
    if (choice_.load || choice_.extent == Extent::full) add_load();
    set_times();
    return std::move(plan_);
  }

 private:
  [[nodiscard]] bool is_chosen(Work work) const {
    return choice_.works.empty() || std::ranges::find(choice_.works, work) != choice_.works.end();
  }

  void add_from_full(Work work) {
    for (const Usual& usual : usual_tables(Extent::full)) {
      if (usual.work != work) continue;
      add(usual);
      return;
    }
  }

  void add(const Usual& usual) {
    for (const Placement placement : chosen(choice_.placements, usual.placements)) {
      if (placement == on_different && cpus_ < 2) {
        remark("There is one CPU to be had: nothing is measured on different ones.");
        continue;
      }
      for (const std::uint64_t bytes : chosen(choice_.sizes, usual.sizes)) {
        const bool has_many = usual.work == Work::fan_in;
        for (const unsigned clients :
             has_many ? chosen(choice_.clients, usual.clients) : std::vector<unsigned>{1}) {
          add_rates({.work = usual.work,
                     .bytes = bytes,
                     .placement = placement,
                     .clients = clients,
                     .baseline = choice_.baseline});
        }
      }
    }
  }

  void add_rates(PlannedTable table) {
    table.rows = rows_for(table, choice_, ways_);
    if (table.rows.empty() || is_planned(table)) return;
    if (choice_.rates.empty() || table.work != Work::round_trip) {
      plan_.tables.push_back(std::move(table));
      return;
    }
    for (const double rate : choice_.rates) {
      table.rate = rate;
      plan_.tables.push_back(table);
    }
  }

  /// With sizes of one's own, two entries of an extent may come to the same.
  [[nodiscard]] bool is_planned(const PlannedTable& table) const {
    return std::ranges::any_of(plan_.tables, [&](const PlannedTable& other) {
      return other.work == table.work && other.bytes == table.bytes &&
             other.placement == table.placement && other.clients == table.clients;
    });
  }

  /// The round trips again, beside busy processes.
  void add_load() {
    std::vector<PlannedTable> beside;
    for (const PlannedTable& table : plan_.tables) {
      const bool is_usual = table.bytes == kibibyte || !choice_.sizes.empty();
      if (table.work != Work::round_trip || !is_usual) continue;
      beside.push_back(table);
      beside.back().is_beside_load = true;
    }
    std::ranges::move(beside, std::back_inserter(plan_.tables));
  }

  void set_times() {
    using namespace std::chrono_literals;
    struct RoundTimes {
      unsigned rounds;
      std::chrono::nanoseconds round_time;
      std::chrono::nanoseconds table_time;
    };
    const RoundTimes times = choice_.extent == Extent::quick   ? RoundTimes{5, 8ms, 2500ms}
                             : choice_.extent == Extent::usual ? RoundTimes{11, 15ms, 6s}
                                                               : RoundTimes{20, 20ms, 28s};
    plan_.rounds = static_cast<unsigned>(choice_.rounds.value_or(times.rounds));
    plan_.passes = plan_.rounds < rounds_of_one_pass ? 1 : 5;
    plan_.round_time = choice_.round_time.value_or(times.round_time);
    // Who says how many rounds there are to be, and how long, has them.
    const bool is_own = choice_.rounds || choice_.round_time;
    plan_.table_time = is_own ? std::chrono::nanoseconds::max() : times.table_time;
  }

  void remark(const std::string& text) {
    const bool is_new = std::ranges::find(plan_.remarks, text) == plan_.remarks.end();
    if (is_new) plan_.remarks.push_back(text);
  }

  const BenchChoice& choice_;
  const std::vector<WayEntry>& ways_;
  const unsigned cpus_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const BenchChoice& choice, const std::vector<WayEntry>& ways, unsigned cpus) {
  return Planner(choice, ways, cpus).make();
}

std::string name_of(Work work) {
  for (const auto& [each, name] : work_names) {
    if (each == work) return std::string(name);
  }
  return {};
}

std::optional<Work> work_named(std::string_view name) {
  for (const auto& [work, each] : work_names) {
    std::string dashed(each);
    std::ranges::replace(dashed, ' ', '-');
    if (name == each || name == dashed) return work;
  }
  return std::nullopt;
}

std::string name_of(Placement placement) {
  switch (placement) {
    case Placement::different:
      return "different CPUs";
    case Placement::same:
      return "one CPU";
    case Placement::free:
      break;
  }
  return "free";
}

}  // namespace cli
