/// Twin of bench/round_trip.cc: 1 KB there and back, blocking send(2) and recv(2) on both sides.
/// With the argument `timeout` the client's recv(2) has a time limit of 200 ms, by SO_RCVTIMEO;
/// with `level` or `edge` the server waits in epoll_wait(2), triggered in that way.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness/sizes.h"
#include "harness/socket.h"
#include "harness/worker.h"

namespace {

[[noreturn]] void echo(int socket) {
  char bytes[bench::payload_bytes];
  while (true) {
    bench::receive_all(socket, bytes, sizeof bytes);
    bench::send_all(socket, bytes, sizeof bytes);
  }
}

[[noreturn]] void echo_polled(int socket, std::uint32_t trigger) {
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {EPOLLIN | trigger, {.fd = socket}};
  bench::require(epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event) == 0, "epoll_ctl");
  char bytes[bench::payload_bytes];
  while (true) {
    bench::require(epoll_wait(poller, &event, 1, -1) == 1, "epoll_wait");
    const std::size_t count = bench::receive(socket, bytes, sizeof bytes);
    if (count == 0) _exit(0);
    bench::send_all(socket, bytes, count);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Task task(argc, argv);
  const auto [client, far_end] = bench::socket_pair();
  const bench::ServerProcess server(task.placement, [&, far_end = far_end](const auto& ready) {
    ready();
    if (task.argument == "level") echo_polled(far_end, 0);
    if (task.argument == "edge") echo_polled(far_end, EPOLLET);
    echo(far_end);
  });
  if (task.argument == "timeout") {
    const timeval limit = {.tv_sec = 0, .tv_usec = 200'000};
    bench::require(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0,
                   "SO_RCVTIMEO");
  }
  char bytes[bench::payload_bytes] = {};
  bench::run_rounds(server, [&, client = client](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      bench::send_all(client, bytes, sizeof bytes);
      bench::receive_all(client, bytes, sizeof bytes);
      samples.lap();
    }
  });
}
