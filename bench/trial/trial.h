#pragma once

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trial/placement.h"
#include "trial/usage.h"
#include "trial/wire.h"
#include "trial/work_directory.h"
#include "ways/way.h"

namespace bench {

/// A way does not do what it should: it fails, corrupts, loses, or does not come back. Says which
/// and why.
class TrialFailed : public std::runtime_error {
 public:
  TrialFailed(const std::string& way, const std::string& why)
      : std::runtime_error(way + ": " + why), why_(why) {}
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  std::string why_;
};

/// Not 0: whoever waits for a trial gives it up, by throwing Interrupted. For signal handlers.
extern volatile std::sig_atomic_t is_interrupted;
struct Interrupted {};

/// What came of one round.
struct Round {
  std::uint64_t operations = 0;     ///< Of all clients.
  std::chrono::nanoseconds wall{};  ///< Of the client that took longest.
  Histogram times;                  ///< Of operations that have a time of their own.
  std::chrono::nanoseconds server_cpu{};
  std::chrono::nanoseconds client_cpu{};  ///< Of all clients.
  std::uint64_t switches = 0;             ///< Of all processes.
  std::size_t server_bytes = 0;           ///< Of idle: its own memory, afterwards.
};

/// One way at one task: a server and its clients, each a process, which wait for their rounds.
///
/// Between rounds the server is stopped (SIGSTOP), so that one which spins takes nothing from
/// others. Nothing hangs: what does not come within a deadline ends the trial.
class Trial {
 public:
  /// What nothing that goes well takes. Chosen: a gibibyte passes in a second or two.
  static constexpr std::chrono::milliseconds patience_max = std::chrono::seconds(20);

  /// Starts the processes, and waits until the clients are connected. Throws TrialFailed, as all of
  /// its functions do; the way's processes are gone then.
  Trial(const WayEntry& way, const Task& task, Placement placement,
        std::chrono::milliseconds patience = patience_max);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// Before the next round, unmeasured: until it is what it will be, a fresh ring for one.
  void warm_up();
  /// `operations` of each client.
  [[nodiscard]] Round run(std::uint64_t operations, double rate = 0);
  /// So many operations of a client take about `time`.
  [[nodiscard]] std::uint64_t operations_in(std::chrono::nanoseconds time);
  /// System calls of all processes for each operation, of which each client does so many. None:
  /// they may not be traced, or do not get on with it.
  [[nodiscard]] std::optional<double> system_calls_an_operation(std::uint64_t operations);

 private:
  struct Process;

  std::unique_ptr<Process> start(bool is_server, unsigned client);
  void become_side(bool is_server, unsigned client, int control);
  [[noreturn]] void become_program(bool is_server, unsigned client, int control);
  Done hear(Process& process);
  void wait_for(const Process& process, std::chrono::steady_clock::time_point end);
  [[noreturn]] void give_up(const std::string& why);
  [[nodiscard]] std::string last_words_of_server();
  void give_order(const Order& order);
  std::vector<Done> order_all(const Order& order);
  void go_on();
  void pause();

  const WayEntry& entry_;
  Task task_;
  const Placement placement_;
  const std::chrono::milliseconds patience_;
  const WorkDirectory directory_;
  std::unique_ptr<Way> way_;
  std::unique_ptr<Process> server_;
  std::vector<std::unique_ptr<Process>> clients_;
};

}  // namespace bench
