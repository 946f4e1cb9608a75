#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trial/placement.h"
#include "ways/way.h"

namespace cli {

/// One way in a table, or why it is not in it.
struct PlannedRow {
  const bench::WayEntry* way;
  std::size_t bytes;     ///< Those of its table; of what carries only a number, that.
  std::string left_out;  ///< Empty: it is measured.
};

/// Ways side by side, at the same task.
struct PlannedTable {
  bench::Work work = bench::Work::round_trip;
  std::size_t bytes = 0;
  bench::Placement placement = bench::Placement::free;
  unsigned clients = 1;
  bool is_beside_load = false;
  std::optional<double> rate;  ///< Operations a second; none: one after the other.
  std::string baseline;        ///< What the others are measured against.
  std::vector<PlannedRow> rows;
};

/// What `tincan bench` was asked for. Empty lists: what its extent says.
struct BenchChoice {
  enum class Extent : std::uint8_t { quick, usual, full };
  Extent extent = Extent::usual;
  std::vector<bench::Work> works;
  std::vector<std::uint64_t> sizes;
  std::vector<bench::Placement> placements;
  std::vector<unsigned> clients;
  std::vector<double> rates;
  bool load = false;
  std::vector<std::string> ways;  ///< Parts of their names.
  std::string baseline = "unix stream";
  std::optional<std::uint64_t> rounds;
  std::optional<std::chrono::nanoseconds> round_time;
};

struct Plan {
  std::vector<PlannedTable> tables;
  std::vector<std::string> remarks;       ///< What was asked for and cannot be had here.
  unsigned rounds = 1;                    ///< Of each table, if it has the time,
  unsigned passes = 1;                    ///< in so many parts, with those of others between them.
  std::chrono::nanoseconds round_time{};  ///< Of each row.
  std::chrono::nanoseconds table_time{};  ///< After that a table ends when it has a few rounds.
};

/// Of `ways`, which outlive it.
[[nodiscard]] Plan make_plan(const BenchChoice& choice, const std::vector<bench::WayEntry>& ways,
                             unsigned cpus);

/// "round trip", and back.
[[nodiscard]] std::string name_of(bench::Work work);
[[nodiscard]] std::optional<bench::Work> work_named(std::string_view name);
/// "different CPUs", "one CPU", "free".
[[nodiscard]] std::string name_of(bench::Placement placement);

}  // namespace cli
