/// G4: a call whose handler works for some time, with each way of waiting on both sides. Argument:
/// WAY-CARRIER-MICROSECONDS, as in `adaptive-ring-10`.

#include <tincan/tincan.h>

#include <string>

#include "echo_server.h"
#include "harness/sizes.h"
#include "harness/worker.h"

using namespace std::chrono_literals;

namespace {

tincan::Waiting waiting_of(const std::string& way) {
  if (way == "block") return tincan::Waiting::block;
  if (way == "spin") return tincan::Waiting::spin;
  return tincan::Waiting::adaptive;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const std::size_t first = task.argument.find('-');
  const std::size_t last = task.argument.rfind('-');
  const auto waiting = waiting_of(task.argument.substr(0, first));
  const bool over_ring = task.argument.substr(first + 1, last - first - 1) == "ring";
  const std::chrono::microseconds work(std::stoul(task.argument.substr(last + 1)));
  const bench::SocketPath socket;
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    bench::run_echo_server(socket.path(), ready, waiting, work);
  });
  auto client = tincan::or_exit(tincan::Client::connect(
      socket.path(),
      {.transport = over_ring ? tincan::Transport::automatic : tincan::Transport::socket,
       .waiting = waiting,
       .ring_after_calls = 1}));
  const std::string payload(bench::payload_bytes, 'x');
  const auto call = [&] { tincan::or_exit(client.call("echo", payload, {.deadline = 5s})); };
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    while (over_ring && client.ring_bytes() == 0) call();
    samples.begin();
    for (std::size_t i = 0; i < calls; ++i) {
      call();
      samples.lap();
    }
  });
}
