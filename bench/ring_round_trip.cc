/// G3: a call of 1 KB with a deadline of 200 ms through a ring; G10: beside as many idle
/// connections as the argument says. Twin: limits/ring_round_trip.cc.

#include <tincan/tincan.h>

#include <string>
#include <vector>

#include "echo_server.h"
#include "harness/sizes.h"
#include "harness/socket.h"
#include "harness/worker.h"
#include "trial/open_files.h"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  bench::allow_many_descriptors();
  const bench::SocketPath socket;
  const bench::ServerProcess server(
      task.placement, [&](const auto& ready) { bench::run_echo_server(socket.path(), ready); });
  auto client = tincan::or_exit(tincan::Client::connect(socket.path()));
  std::vector<tincan::Client> idle;
  const std::size_t idle_clients = task.argument.empty() ? 0 : task.number();
  while (idle.size() < idle_clients) {
    idle.push_back(tincan::or_exit(tincan::Client::connect(socket.path())));
  }
  const std::string payload(bench::payload_bytes, 'x');
  const auto call = [&] {
    auto reply = client.call("echo", payload, {.deadline = 200ms});
    // A call that the machine holds up for so long counts as what it took.
    const bool late = !reply && reply.error().cause() == tincan::Cause::deadline;
    if (!late) tincan::or_exit(std::move(reply));
  };
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    // Between rounds it is the twin's turn, and the server takes a ring back that lies idle.
    while (client.ring_bytes() == 0) call();
    samples.begin();
    for (std::size_t i = 0; i < calls; ++i) {
      call();
      samples.lap();
    }
  });
}
