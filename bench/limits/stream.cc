/// Twin of bench/stream.cc over a socket: messages behind their lengths, copied into one buffer
/// that is sent whenever 32 KiB are together; the receiver reads up to 256 KiB ahead. A message of
/// length 0 asks for the number of messages so far. No checks, no deadlines, one client.

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "harness/sizes.h"
#include "harness/socket.h"
#include "harness/worker.h"

namespace {

constexpr std::size_t batch_bytes = 32 * 1024;
constexpr std::size_t read_bytes = 256 * 1024;

struct Receiver {
  int socket;
  std::uint64_t messages = 0;
  std::uint64_t first_bytes = 0;

  /// Takes whole messages off `bytes` and returns how many bytes that was.
  std::size_t take(const char* bytes, std::size_t count) {
    std::size_t at = 0;
    std::uint32_t length;
    while (count - at >= sizeof length) {
      std::memcpy(&length, bytes + at, sizeof length);
      if (count - at - sizeof length < length) break;
      at += sizeof length;
      if (length == 0) {
        bench::require(first_bytes == messages * 'x', "what was sent");
        bench::send_all(socket, &messages, sizeof messages);
      } else {
        ++messages;
        first_bytes += static_cast<unsigned char>(bytes[at]);
      }
      at += length;
    }
    return at;
  }
};

[[noreturn]] void serve(int socket) {
  std::vector<char> buffer(read_bytes);
  Receiver receiver{socket};
  for (std::size_t kept = 0;;) {
    const std::size_t read = bench::receive(socket, buffer.data() + kept, buffer.size() - kept);
    if (read == 0) _exit(0);
    const std::size_t taken = receiver.take(buffer.data(), kept + read);
    kept += read - taken;
    std::memmove(buffer.data(), buffer.data() + taken, kept);
  }
}

class Sender {
 public:
  explicit Sender(int socket) : socket_(socket), batch_(batch_bytes) {}
  void add(const char* bytes, std::uint32_t length) {
    if (sizeof length + length > batch_.size() - used_) flush();
    if (sizeof length + length > batch_.size()) {
      bench::send_all(socket_, &length, sizeof length);
      bench::send_all(socket_, bytes, length);
      return;
    }
    std::memcpy(batch_.data() + used_, &length, sizeof length);
    std::memcpy(batch_.data() + used_ + sizeof length, bytes, length);
    used_ += sizeof length + length;
  }
  void flush() {
    bench::send_all(socket_, batch_.data(), used_);
    used_ = 0;
  }

 private:
  const int socket_;
  std::vector<char> batch_;
  std::size_t used_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const std::size_t bytes = std::stoul(task.argument.substr(task.argument.find('-') + 1));
  const auto [ours, theirs] = bench::socket_pair();
  const int buffer_bytes = 1024 * 1024;
  bench::require(setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes) == 0,
                 "SO_SNDBUF");
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    close(ours);
    ready();
    serve(theirs);
  });
  close(theirs);
  const std::vector<char> payload(bytes, 'x');
  Sender sender(ours);
  std::uint64_t sent = 0;
  bench::run_rounds(server, [&](std::size_t operations, bench::Samples&) {
    const std::size_t messages = operations * bench::messages_an_operation;
    for (std::size_t i = 0; i < messages; ++i) {
      sender.add(payload.data(), static_cast<std::uint32_t>(bytes));
    }
    sender.add(payload.data(), 0);
    sender.flush();
    sent += messages;
    std::uint64_t count;
    bench::receive_all(ours, &count, sizeof count);
    bench::require(count == sent, "as many messages as were sent");
  });
}
