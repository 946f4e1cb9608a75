/// G10: one thread that keeps a number of calls in flight. Twin: limits/pipeline.cc. The argument
/// is that number.

#include <poll.h>
#include <tincan/tincan.h>

#include <algorithm>
#include <string>

#include "echo_server.h"
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
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    std::size_t asked = 0;
    std::size_t heard = 0;
    const std::function<void()> ask = [&] {
      ++asked;
      tincan::or_exit(client.submit("echo", tincan::bytes_of(payload), [&](auto reply) {
        tincan::or_exit(std::move(reply));
        ++heard;
        samples.lap();
        if (asked < calls) ask();
      }));
    };
    while (asked < std::min(calls, task.number())) ask();
    pollfd readable = {client.fd(), client.events(), 0};
    while (heard < calls) {
      bench::require(poll(&readable, 1, -1) == 1, "poll");
      client.process();
    }
  });
}
