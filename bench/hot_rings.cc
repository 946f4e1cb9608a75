/// G10: as many clients as the argument says, each in a thread of its own and with a ring of its
/// own, on one loop of a server. Twin: limits/hot_rings.cc.

#include <tincan/tincan.h>

#include <string>
#include <vector>

#include "echo_server.h"
#include "harness/crew.h"
#include "harness/sizes.h"
#include "harness/worker.h"

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::SocketPath socket;
  const bench::ServerProcess server(
      task.placement, [&](const auto& ready) { bench::run_echo_server(socket.path(), ready); });
  std::vector<tincan::Client> clients;
  for (std::size_t i = 0; i < task.number(); ++i) {
    clients.push_back(
        tincan::or_exit(tincan::Client::connect(socket.path(), {.ring_after_calls = 1})));
  }
  const std::string payload(bench::payload_bytes, 'x');
  const auto call = [&](tincan::Client& client) {
    const auto reply = tincan::or_exit(client.call("echo", payload));
    bench::require(reply.payload().size() == payload.size(), "a reply of another size");
  };
  bench::Crew crew(clients.size(), [&](std::size_t i, std::size_t calls, bench::Samples& samples) {
    for (std::size_t k = 0; k < calls; ++k) {
      call(clients[i]);
      samples.lap();
    }
  });
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    for (tincan::Client& client : clients) {
      while (client.ring_bytes() == 0) call(client);
    }
    crew.round(calls, samples);
  });
}
