/// Twin of bench/round_trip.cc: 1 KB there and back, blocking send(2) and recv(2) on both sides.
/// With the argument `timeout` the client's recv(2) has a time limit of 200 ms, by SO_RCVTIMEO;
/// with `level` or `edge` the server waits in epoll_wait(2), triggered in that way; with `spin`
/// both sides look for up to 50 µs before they block, unless the other one says that it runs on
/// this CPU.

#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

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

constexpr std::int64_t spin_nanoseconds = 50'000;

/// Says where it runs in the first bytes, and looks there where the other one does.
class Spinner {
 public:
  explicit Spinner(int socket) : socket_(socket) {}
  void send() {
    const int cpu = sched_getcpu();
    std::memcpy(bytes_, &cpu, sizeof cpu);
    bench::send_all(socket_, bytes_, sizeof bytes_);
  }
  void receive() {
    std::size_t received = 0;
    if (peer_cpu_ != sched_getcpu()) received = look();
    bench::receive_all(socket_, bytes_ + received, sizeof bytes_ - received);
    std::memcpy(&peer_cpu_, bytes_, sizeof peer_cpu_);
  }

 private:
  std::size_t look() {
    const std::int64_t end = bench::now() + spin_nanoseconds;
    do {
      const ssize_t count = recv(socket_, bytes_, sizeof bytes_, MSG_DONTWAIT);
      if (count == 0) _exit(0);
      if (count > 0) return static_cast<std::size_t>(count);
    } while (bench::now() < end);
    return 0;
  }

  const int socket_;
  int peer_cpu_ = -1;
  char bytes_[bench::payload_bytes] = {};
};

[[noreturn]] void echo_spinning(int socket) {
  for (Spinner spinner(socket);;) {
    spinner.receive();
    spinner.send();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const auto [client, far_end] = bench::socket_pair();
  const bench::ServerProcess server(task.placement, [&, far_end = far_end](const auto& ready) {
    ready();
    if (task.argument == "level") echo_polled(far_end, 0);
    if (task.argument == "spin") echo_spinning(far_end);
    if (task.argument == "edge") echo_polled(far_end, EPOLLET);
    echo(far_end);
  });
  if (task.argument == "timeout") {
    const timeval limit = {.tv_sec = 0, .tv_usec = 200'000};
    bench::require(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0,
                   "SO_RCVTIMEO");
  }
  const bool spins = task.argument == "spin";
  Spinner spinner(client);
  char bytes[bench::payload_bytes] = {};
  bench::run_rounds(server, [&, client = client](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      if (spins) {
        spinner.send();
        spinner.receive();
      } else {
        bench::send_all(client, bytes, sizeof bytes);
        bench::receive_all(client, bytes, sizeof bytes);
      }
      samples.lap();
    }
  });
}
