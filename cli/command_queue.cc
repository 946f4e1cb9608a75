#include "command_queue.h"

#include <fmt/format.h>

#include <algorithm>

namespace cli {

void CommandQueue::add(tincan::Request request) {
  const std::size_t bytes = request.payload().size();
  if (waiting_.size() >= waiting_max || waiting_bytes_ + bytes > waiting_bytes_max) {
    request.fail(fmt::format("busy: {} requests are waiting; try later", waiting_.size()));
    return;
  }
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(request));
  start_next();
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
  // Whose caller has gone waits no longer: it would keep memory that no quota of a connection
  // counts any more.
  std::erase_if(waiting_, [this](const tincan::Request& request) {
    const bool gone = nobody_waits(request);
    if (gone) waiting_bytes_ -= request.payload().size();
    return gone;
  });
  start_next();
}

void CommandQueue::add_to(std::vector<pollfd>& polled) const {
  for (const auto& command : running_) command->add_to(polled);
}

std::optional<RunningCommand::Clock::time_point> CommandQueue::deadline() const {
  std::optional<RunningCommand::Clock::time_point> first;
  for (const auto& command : running_) {
    const auto deadline = command->deadline();
    if (deadline && (!first || *deadline < *first)) first = deadline;
  }
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
