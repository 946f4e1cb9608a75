#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "ways/demand.h"
#include "ways/way.h"

/// What the ways that are no library have in common: both sides send and receive messages.
namespace bench {

/// One side of a connection. Whatever fails throws.
class End {
 public:
  virtual ~End() = default;
  virtual void send(std::span<const std::byte> message) = 0;
  /// What was kept to be sent with others goes now.
  virtual void flush() {}
  /// Waits for a message of `bytes`; good until the next call. Empty: the other side has ended.
  [[nodiscard]] virtual std::span<const std::byte> receive(std::size_t bytes) = 0;
};

/// A client over an End.
class EndCaller final : public Caller {
 public:
  explicit EndCaller(std::unique_ptr<End> end) : end_(std::move(end)) {}
  void exchange(std::span<const std::byte> message, std::span<std::byte> answer) override;
  void send(std::span<const std::byte> message) override { end_->send(message); }
  void pass(const Messages& messages, std::uint64_t sequence) override;

 private:
  const std::unique_ptr<End> end_;
  std::vector<std::byte> payload_;
};

/// What a server does with one message of a client. False: there was none, the client has ended.
[[nodiscard]] bool serve_one(End& end, Receiver& receiver, const Task& task);
/// With all of them.
void serve_all(End& end, const Task& task);

/// Who has a receiver for a task.
[[nodiscard]] inline Receiver receiver_for(const Task& task) {
  return {task.bytes, task.work != Work::one_way && task.work != Work::payload};
}

}  // namespace bench
