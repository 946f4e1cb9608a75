#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "exit_code.h"
#include "tincan/failure.h"
#include "tincan/peer.h"
#include "trial/histogram.h"

namespace cli {

/// What came of the calls of one `tincan ping`.
///
/// The calling thread adds; when a signal comes, another reports and ends the process, though a
/// call may be under way. Thread-safe; whoever reports first is the only one.
class PingStatistics {
 public:
  PingStatistics(std::string address, tincan::Peer server, bool json);

  /// A call has ended well; `line` tells so, or is empty. `ring_bytes`: of the ring that carries
  /// the connection now, or 0.
  void add(std::chrono::nanoseconds time, std::string_view line, std::uint64_t ring_bytes);
  void add(std::uint64_t sequence, const tincan::Failure& failure);

  /// Prints everything and returns how the command ends.
  ExitCode report();
  /// The same, and ends the process.
  [[noreturn]] void report_and_exit();

 private:
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string transport() const;
  [[nodiscard]] std::string json() const;

  const std::string address_;
  const tincan::Peer server_;
  const bool json_;
  const std::chrono::steady_clock::time_point started_;
  const std::chrono::nanoseconds cpu_before_;
  const std::optional<std::chrono::nanoseconds> server_cpu_before_;

  std::mutex mutex_;
  bench::Histogram times_;
  std::uint64_t failures_ = 0;
  std::uint64_t over_ring_ = 0;   ///< Calls behind which the connection had a ring.
  std::uint64_t ring_bytes_ = 0;  ///< Of the last ring.
  std::optional<tincan::Failure> last_failure_;
  ExitCode code_ = ExitCode::success;

  // Taken when the report begins.
  std::chrono::nanoseconds elapsed_{};
  std::chrono::nanoseconds cpu_{};
  std::optional<std::chrono::nanoseconds> server_cpu_;
};

}  // namespace cli
