/// G5, G6: one-way messages through a Sender, taken in batches; a round ends when the server has
/// said that it has all of them. Arguments: placement, socket-SIZE or ring-SIZE.
/// Twins: limits/stream.cc and limits/ring_stream.cc.

#include <tincan/tincan.h>
#include <unistd.h>

#include <string>

#include "harness/sizes.h"
#include "harness/worker.h"

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t ring_bytes = 4ull * 1024 * 1024;  // as the twin's

void serve(const std::string& path, const std::function<void()>& ready) {
  auto server = tincan::or_exit(tincan::Server::listen(path));
  std::uint64_t messages = 0;
  std::uint64_t first_bytes = 0;
  server.on_batch("message", [&](const tincan::Batch& batch) {
    for (const auto message : batch) first_bytes += std::to_integer<std::uint64_t>(message[0]);
    messages += batch.size();
  });
  server.on("count", [&](tincan::Request request) {
    bench::require(first_bytes == messages * 'x', "what was sent");
    request.reply(std::to_string(messages));
  });
  ready();
  tincan::or_exit(server.run());
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bool over_ring = task.argument.starts_with("ring-");
  const std::size_t bytes = std::stoul(task.argument.substr(task.argument.find('-') + 1));
  const bench::SocketPath socket;
  const bench::ServerProcess server(task.placement,
                                    [&](const auto& ready) { serve(socket.path(), ready); });
  auto client = tincan::or_exit(tincan::Client::connect(
      socket.path(),
      {.transport = over_ring ? tincan::Transport::automatic : tincan::Transport::socket,
       .ring_bytes = ring_bytes}));
  auto sender = tincan::or_exit(client.sender("message", {.deadline = 10s}));
  const std::string payload(bytes, 'x');
  std::uint64_t sent = 0;
  const auto send = [&](std::size_t messages) {
    for (std::size_t i = 0; i < messages; ++i) tincan::or_exit(sender.add(payload));
    tincan::or_exit(sender.flush());
    sent += messages;
    const auto count = tincan::or_exit(client.call("count", "", {.deadline = 10s}));
    bench::require(count.text() == std::to_string(sent), "as many messages as were sent");
  };
  bench::run_rounds(server, [&](std::size_t operations, bench::Samples&) {
    while (over_ring && client.ring_bytes() == 0) send(1);
    send(operations * bench::messages_an_operation);
  });
}
