/// G10: threads that share one client. Twin: limits/threads.cc. The argument is their number.

#include <tincan/tincan.h>

#include <string>

#include "echo_server.h"
#include "harness/crew.h"
#include "harness/sizes.h"
#include "harness/worker.h"

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::SocketPath socket;
  const bench::ServerProcess server(
      task.placement, [&](const auto& ready) { bench::run_echo_server(socket.path(), ready); });
  auto client = tincan::or_exit(
      tincan::Client::connect(socket.path(), {.transport = tincan::Transport::socket}));
  const std::string payload(bench::payload_bytes, 'x');
  bench::Crew crew(task.number(), [&](std::size_t, std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      const auto reply = tincan::or_exit(client.call("echo", payload));
      bench::require(reply.payload().size() == payload.size(), "a reply of another size");
      samples.lap();
    }
  });
  bench::run_rounds(
      server, [&](std::size_t calls, bench::Samples& samples) { crew.round(calls, samples); });
}
