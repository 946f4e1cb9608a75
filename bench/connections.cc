/// G9: connect, one call of 1 KB, close. Twin: limits/connections.cc.

#include <tincan/tincan.h>

#include <string>

#include "echo_server.h"
#include "harness/sizes.h"
#include "harness/worker.h"

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::SocketPath socket;
  const bench::ServerProcess server(
      task.placement, [&](const auto& ready) { bench::run_echo_server(socket.path(), ready); });
  const auto address = tincan::or_exit(tincan::Address::parse(socket.path()));
  const std::string payload(bench::payload_bytes, 'x');
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      auto client = tincan::or_exit(tincan::Client::connect(address));
      const auto reply = tincan::or_exit(client.call("echo", payload));
      bench::require(reply.payload().size() == payload.size(), "a reply of another size");
      {
        const auto closed = std::move(client);
      }
      samples.lap();
    }
  });
}
