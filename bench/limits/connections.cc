/// Twin of bench/connections.cc: connect, read the greeting, one round trip of 1 KB, close. The
/// server is one epoll loop that greets first. With the argument `tcp` over the loopback interface.

#include <unistd.h>

#include "harness/sizes.h"
#include "harness/socket.h"
#include "harness/worker.h"
#include "limits/epoll_server.h"

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::SocketPath socket;
  const std::string address = task.argument == "tcp" ? "47391" : socket.path();
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    const int listener = bench::listen_at(address);
    ready();
    limits::run_epoll_server(listener);
  });
  char bytes[bench::request_bytes] = {};
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      const int client = bench::connect_to(address);
      bench::receive_all(client, bytes, bench::greeting_bytes);
      bench::send_all(client, bytes, bench::request_bytes);
      bench::receive_all(client, bytes, bench::reply_bytes);
      close(client);
      samples.lap();
    }
  });
}
