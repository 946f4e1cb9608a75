#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ways/messages.h"

/// Every way in which two processes can talk, each done the way its manual page means it: ways.cc
/// lists them.
namespace bench {

/// What is measured.
enum class Work : std::uint8_t {
  round_trip,  ///< A message, and one of the same size back.
  one_way,     ///< Messages that nobody answers, until the last one of a round has arrived.
  fan_in,      ///< Round trips of many clients with one server, all at once.
  set_up,      ///< Connect, one message there and back, close.
  payload,     ///< Fill a large message, pass it, read all of it, and say so.
  idle,        ///< Connections that nobody uses: what they take.
};

/// What both sides know of their task.
struct Task {
  Work work = Work::round_trip;
  std::size_t bytes = 1024;  ///< Of each message.
  unsigned clients = 1;
  std::string directory;  ///< Of the trial's own, for names; it is removed afterwards.
};

/// A client's side, in its process. Whatever fails throws, and ends the trial.
class Caller {
 public:
  virtual ~Caller() = default;
  /// Sends `message`, and waits for its answer, which fills `answer`. What was sent before has
  /// arrived then, too.
  virtual void exchange(std::span<const std::byte> message, std::span<std::byte> answer) = 0;
  /// Sends `message`, or keeps a copy of it to be sent with others.
  virtual void send(std::span<const std::byte> message) = 0;
  /// Fills the message of `sequence` and sends it, and waits until the server says that it has read
  /// all of it.
  virtual void pass(const Messages& messages, std::uint64_t sequence) = 0;
  /// It is what it will be: what changes while it is used (from a socket to a ring, say) has
  /// changed. Until then nothing is measured.
  [[nodiscard]] virtual bool is_warm() { return true; }
};

/// One way. It is made before the processes are; `prepare` has what they share inherited.
class Way {
 public:
  virtual ~Way() = default;
  /// In the process that both are forked from.
  virtual void prepare(const Task& task) { task_ = task; }
  /// In the server's process: calls `ready` when clients may come, and serves them until it is
  /// killed, or until the only one has gone.
  virtual void serve(const std::function<void()>& ready) = 0;
  /// In a client's process.
  [[nodiscard]] virtual std::unique_ptr<Caller> connect(unsigned client) = 0;

 protected:
  [[nodiscard]] const Task& task() const { return task_; }
  [[nodiscard]] std::string path(const char* name) const { return task_.directory + "/" + name; }

 private:
  Task task_;
};

/// What is known of a way before it is tried.
struct WayEntry {
  std::string name;  ///< As it is chosen and shown: "unix stream".
  std::string does;  ///< In a few words: "socket(AF_UNIX, SOCK_STREAM), blocking".
  std::vector<Work> works;
  std::size_t bytes_min = 1;
  std::size_t bytes_max = SIZE_MAX;
  unsigned warm_up_milliseconds = 2;  ///< At work, before each round.
  bool is_alone = false;  ///< No two of its kind can run at once: it begins anew in each round.
  std::function<std::unique_ptr<Way>()> make;
  std::string program = {};  ///< Does it instead, as peer.h says: for ways that need a library.
};

[[nodiscard]] const std::vector<WayEntry>& ways();

}  // namespace bench
