#include "command_queue.h"

#include <fmt/format.h>

#include <algorithm>

namespace cli {

void CommandQueue::add(tincan::Request request) {
  const std::size_t bytes = request.payload().size();
  if (waiting_.size() >= waiting_max || waiting_bytes_ + bytes > waiting_bytes_max) {
    request.decline(fmt::format("busy: {} calls wait for a command; try later", waiting_.size()));
    return;
  }
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(request));
  start_next();
  if (draining_) decline_waiting();
}

void CommandQueue::start_next() {
  while (running_.size() < running_max_) {
    const auto next = std::ranges::find_if(
        waiting_, [](const tincan::Request& request) { return !request.abandoned(); });
    if (next == waiting_.end()) return;
    tincan::Request request = std::move(*next);
    waiting_.erase(next);
    waiting_bytes_ -= request.payload().size();
    auto started = RunningCommand::start(std::move(request), program_);
    if (started) running_.push_back(std::move(started));
  }
}

void CommandQueue::process() {
  std::erase_if(running_, [](const auto& command) { return !command->process(); });
  // At its deadline, while the caller waits for this word (ClientOptions::verdict_grace). And whose
  // caller has gone would keep memory that no quota of a connection counts any more.
  std::erase_if(waiting_, [this](tincan::Request& request) {
    if (!request.abandoned()) return false;
    waiting_bytes_ -= request.payload().size();
    request.decline(
        fmt::format("no command was started for it before its deadline: all of --max-running {} "
                    "were busy",
                    running_max_));
    return true;
  });
  start_next();
}

void CommandQueue::drain() {
  draining_ = true;
  decline_waiting();
}

void CommandQueue::decline_waiting() {
  for (tincan::Request& request : waiting_) {
    request.decline("the server is stopping; no command was started for it");
  }
  waiting_.clear();
  waiting_bytes_ = 0;
}

void CommandQueue::add_to(std::vector<pollfd>& polled) const {
  for (const auto& command : running_) command->add_to(polled);
}

std::optional<RunningCommand::Clock::time_point> CommandQueue::deadline() const {
  std::optional<RunningCommand::Clock::time_point> first;
  const auto consider = [&](const auto& deadline) {
    if (deadline && (!first || *deadline < *first)) first = deadline;
  };
  for (const auto& command : running_) consider(command->deadline());
  for (const tincan::Request& request : waiting_) consider(request.deadline());
  return first;
}

std::size_t CommandQueue::clear() {
  const std::size_t unfinished = waiting_.size() + running_.size();
  waiting_.clear();
  waiting_bytes_ = 0;
  running_.clear();
  return unfinished;
}

}  // namespace cli
