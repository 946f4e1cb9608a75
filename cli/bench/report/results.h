#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"

/// What the report asks the results for. Whatever is not there is none, and never an error: a
/// report of a few tables is a report.
namespace cli {

/// The number `name` of `object`, or of its `part`.
[[nodiscard]] std::optional<double> number_in(const Json& object, const char* name);
[[nodiscard]] std::optional<double> number_in(const Json& object, const char* part,
                                              const char* name);
/// Empty when there is none.
[[nodiscard]] std::string text_in(const Json& object, const char* name);
/// The list `name` of `object`; empty when there is none.
[[nodiscard]] const Json& list_in(const Json& object, const char* name);

/// Neither left out nor failed.
[[nodiscard]] bool is_measured(const Json& row);
/// Of both sides, for an operation.
[[nodiscard]] std::optional<double> cpu_in(const Json& row);
/// The time of an operation: its median, or what its rate tells.
[[nodiscard]] std::optional<double> time_in(const Json& row);
[[nodiscard]] std::optional<double> bandwidth_in(const Json& row);

/// The row of `way`, if it was measured; `table` may be null.
[[nodiscard]] const Json* row_of(const Json* table, std::string_view way);

/// `name` of the times of that row: "p50".
[[nodiscard]] std::optional<double> time_of(const Json* table, std::string_view way,
                                            const char* name);

/// One client or as many as are asked for, nothing beside it, and no rate that is kept.
[[nodiscard]] bool is_calm(const Json& table);

/// The tables of a run.
class Results {
 public:
  explicit Results(const Json& json) : json_(json) {}

  [[nodiscard]] const Json& json() const { return json_; }
  [[nodiscard]] const Json& tables() const { return list_in(json_, "tables"); }
  /// Null when there is nothing about it.
  [[nodiscard]] const Json& machine() const;
  /// A calm one of one client; null when there is none.
  [[nodiscard]] const Json* table(std::string_view work, double bytes,
                                  std::string_view placement) const;
  /// The same, where processes are placed best for it: different CPUs, else free, else one.
  [[nodiscard]] const Json* table(std::string_view work, double bytes) const;
  /// Where most calm tables of `work` that differ in their size are placed, by size.
  [[nodiscard]] std::vector<const Json*> by_size(std::string_view work) const;
  /// Those of fan-in of one size and placement, by the number of clients.
  [[nodiscard]] std::vector<const Json*> by_clients() const;
  /// Of a round trip, or whatever is nearest to it in size: what the report speaks of first.
  [[nodiscard]] const Json* main_table() const { return table("round trip", 1024); }

 private:
  const Json& json_;
};

/// How two rows of a table compare in the time that an operation takes.
struct Comparison {
  enum Verdict { faster, slower, same };
  Verdict verdict;
  double times;  ///< As long as the other's, at least 1.
};
/// None when one of them was not measured. By what the rounds lie between, where that is known:
/// what cannot be told apart is the same, and so is what differs by less than 3 %.
[[nodiscard]] std::optional<Comparison> compare(const Json* table, std::string_view way,
                                                std::string_view other);

}  // namespace cli
