/// G1: a call of 1 KB with a deadline of 200 ms, both sides with Waiting::block; G2, with the
/// argument `adaptive`, as shipped. Twin: limits/round_trip.cc.

#include <tincan/tincan.h>

#include <string>

#include "echo_server.h"
#include "harness/sizes.h"
#include "harness/worker.h"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::SocketPath socket;
  const auto waiting =
      task.argument == "adaptive" ? tincan::Waiting::adaptive : tincan::Waiting::block;
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    bench::run_echo_server(socket.path(), ready, waiting);
  });
  auto client = tincan::or_exit(tincan::Client::connect(
      socket.path(), {.transport = tincan::Transport::socket, .waiting = waiting}));
  const std::string payload(bench::payload_bytes, 'x');
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      auto reply = client.call("echo", payload, {.deadline = 200ms});
      // A call that the machine holds up for so long counts as what it took.
      const bool late = !reply && reply.error().cause() == tincan::Cause::deadline;
      if (!late) tincan::or_exit(std::move(reply));
      samples.lap();
    }
  });
}
