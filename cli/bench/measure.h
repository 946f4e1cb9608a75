#pragma once

#include <functional>
#include <memory>
#include <string>

#include "bench/plan.h"
#include "json.h"

namespace cli {

/// Is told how much of a table is done, from 0 to 1, and what comes next.
using TableProgress = std::function<void(double done, const std::string& doing)>;

/// What a table of the results says of its task.
[[nodiscard]] Json head_of(const PlannedTable& table);

/// Measures the rows of one table, round by round, in turns: what disturbs the machine disturbs all
/// of them. Its rounds come in passes, between which other tables have theirs: so those of each lie
/// over the whole run, and so does what changes meanwhile.
class Measurement {
 public:
  /// Both outlive it.
  Measurement(const PlannedTable& table, const Plan& plan);
  Measurement(Measurement&& other) noexcept;
  ~Measurement();

  /// The next pass, up to `plan.passes`. A row that fails is not run again; the others go on.
  void run_pass(unsigned pass, const TableProgress& progress);
  /// After the last pass: a table of the results, as docs/benchmark.md says.
  [[nodiscard]] Json result() const;

 private:
  class Table;
  std::unique_ptr<Table> table_;
};

}  // namespace cli
