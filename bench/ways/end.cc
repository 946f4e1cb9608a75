#include "ways/end.h"

#include <algorithm>

namespace bench {

namespace {

/// Says that a payload was read.
constexpr std::byte read_all{1};

}  // namespace

void EndCaller::exchange(std::span<const std::byte> message, std::span<std::byte> answer) {
  end_->send(message);
  end_->flush();
  const auto received = end_->receive(answer.size());
  if (received.empty()) throw std::runtime_error("the server has ended");
  if (received.size() != answer.size()) throw WrongMessage("an answer of another size");
  std::ranges::copy(received, answer.begin());
}

void EndCaller::pass(const Messages& messages, std::uint64_t sequence) {
  payload_.resize(messages.bytes());
  messages.fill(payload_, sequence);
  end_->send(payload_);
  end_->flush();
  if (end_->receive(1).empty()) throw std::runtime_error("the server has ended");
}

bool serve_one(End& end, Receiver& receiver, const Task& task) {
  const auto message = end.receive(task.bytes);
  if (message.empty()) return false;
  const bool answers = receiver.take(message);
  if (task.work == Work::payload) {
    end.send(std::span(&read_all, 1));
  } else if (answers) {
    end.send(message);
  } else {
    return true;
  }
  end.flush();
  return true;
}

void serve_all(End& end, const Task& task) {
  Receiver receiver = receiver_for(task);
  while (serve_one(end, receiver, task)) {
  }
}

}  // namespace bench
