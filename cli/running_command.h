#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tincan/descriptor.h"
#include "tincan/server.h"

namespace cli {

/// True when `request` may be given up: its caller has gone, or its deadline is long enough past.
///
/// A caller whose deadline has just passed still waits for the server's word
/// (limits::verdict_grace). A request that is dropped meanwhile would end as a declared error, and
/// not as what it is. Of a one-way call nobody ever waits for an answer; it is run to its end.
[[nodiscard]] bool nobody_waits(const tincan::Request& request);

/// A program that answers one request: the payload is its stdin, its stdout the reply.
///
/// It runs in a process group of its own, which ends with its caller's interest: SIGTERM when the
/// caller gives up, and SIGKILL `kill_grace` later. Threads: it belongs to one.
class RunningCommand {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kill_grace{1};

  /// Starts `program` for `request`. When it cannot be started the request is answered, and the
  /// result is null.
  static std::unique_ptr<RunningCommand> start(tincan::Request request,
                                               const std::vector<std::string>& program);
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;
  /// Kills what still runs; its request is dropped unanswered.
  ~RunningCommand();

  /// Adds what is to be polled for.
  void add_to(std::vector<pollfd>& polled) const;
  /// When process() wants to be called though nothing is ready; none: no need.
  [[nodiscard]] std::optional<Clock::time_point> deadline() const;
  /// Reads what has come, ends what nobody waits for, and answers when the program has ended.
  /// Returns false once it has: there is nothing left to process.
  bool process();

 private:
  /// Bytes that come out of the program.
  struct Output {
    tincan::Descriptor pipe;
    std::string bytes;
  };

  RunningCommand(tincan::Request request, std::string name)
      : request_(std::move(request)), name_(std::move(name)) {}
  /// Returns 0, or the errno of what failed.
  int launch(const std::vector<std::string>& program);
  void read_outputs();
  void end_what_nobody_waits_for();
  void answer(int code, int status);
  void signal_group(int signal) const;

  tincan::Request request_;
  const std::string name_;
  pid_t pid_ = -1;  ///< Also the process group; -1 once reaped.
  tincan::Descriptor process_;
  Output out_;
  Output error_;
  bool reply_too_large_ = false;
  bool given_up_ = false;
  std::optional<Clock::time_point> kill_at_;
};

}  // namespace cli
