#pragma once

#include <poll.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "running_command.h"
#include "tincan/server.h"

namespace cli {

/// Runs one program for each request, so many at once and the others in the order they came. A
/// request for which no program is started is declined: its caller knows that it was not run.
class CommandQueue {
 public:
  /// The requests that wait; more are declined. Chosen: they hold memory.
  static constexpr std::size_t waiting_max = 4096;
  static constexpr std::size_t waiting_bytes_max = 256 * 1024 * 1024;

  CommandQueue(std::vector<std::string> program, std::size_t running_max)
      : program_(std::move(program)), running_max_(running_max) {}

  void add(tincan::Request request);
  void add_to(std::vector<pollfd>& polled) const;
  [[nodiscard]] std::optional<RunningCommand::Clock::time_point> deadline() const;
  /// Moves every program on, declines whose deadline has passed, and starts the next.
  void process();
  /// From now on nobody waits: what cannot be started at once is declined. What runs goes on.
  void drain();
  /// Kills what runs; callers get what they get from a server that is gone. Returns how many calls
  /// that were.
  std::size_t clear();

 private:
  void start_next();
  void decline_waiting();

  const std::vector<std::string> program_;
  const std::size_t running_max_;
  std::vector<std::unique_ptr<RunningCommand>> running_;
  std::deque<tincan::Request> waiting_;
  std::size_t waiting_bytes_ = 0;
  bool draining_ = false;
};

}  // namespace cli
