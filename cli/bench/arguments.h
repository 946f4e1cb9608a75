#pragma once

#include <string>

#include "bench/plan.h"
#include "exit_code.h"

namespace cli {

/// What `tincan bench` was given.
struct BenchArguments {
  BenchChoice choice;
  bool quick = false;
  bool full = false;
  bool json = false;
  bool csv = false;
  bool list = false;
  bool peers = false;
  std::string peers_from;
  std::string compare_with;
  std::string report_to;
  std::string read_from;
  std::string command = "tincan bench";  ///< As it was given.

  [[nodiscard]] bool is_for_programs() const { return json || csv; }
};

/// Does it, and says what is wrong.
[[nodiscard]] ExitCode run_bench(const BenchArguments& arguments);

}  // namespace cli
