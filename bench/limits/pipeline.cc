/// Twin of bench/pipeline.cc: one thread that keeps a number of requests under way on one socket,
/// one send(2) each; every recv(2) takes what is there. The argument is that number.

#include <algorithm>

#include "harness/sizes.h"
#include "harness/socket.h"
#include "harness/worker.h"
#include "limits/echo_stream.h"

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const auto [client, far_end] = bench::socket_pair();
  const bench::ServerProcess server(task.placement, [&, far_end = far_end](const auto& ready) {
    ready();
    limits::echo_stream(far_end);
  });
  static char bytes[256 * 1024];
  const char request[bench::payload_bytes] = {};
  bench::run_rounds(server, [&, client = client](std::size_t calls, bench::Samples& samples) {
    std::size_t asked = std::min(calls, task.number());
    for (std::size_t i = 0; i < asked; ++i) bench::send_all(client, request, sizeof request);
    std::size_t received = 0;
    for (std::size_t heard = 0; heard < calls;) {
      received += bench::receive(client, bytes, sizeof bytes);
      for (; received >= sizeof request; received -= sizeof request, ++heard) {
        samples.lap();
        if (asked == calls) continue;
        bench::send_all(client, request, sizeof request);
        ++asked;
      }
    }
  });
}
