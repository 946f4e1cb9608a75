/// Twin of bench/many_clients.cc: the same clients, and a server of one epoll loop that sends
/// every message back. The argument is the number of clients.

#include <string>

#include "harness/load.h"
#include "harness/sizes.h"
#include "harness/socket.h"
#include "harness/worker.h"
#include "limits/epoll_server.h"
#include "trial/open_files.h"

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::SocketPath socket;
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    bench::allow_many_descriptors();
    const int listener = bench::listen_at(socket.path());
    ready();
    limits::run_epoll_server(listener);
  });
  bench::Load load(socket.path(), task.number(),
                   {.client_greeting = "",
                    .server_greeting_bytes = bench::greeting_bytes,
                    .request = std::string(bench::request_bytes, 'x'),
                    .id_offset = 8,
                    .id_first = 1,
                    .id_step = 1,
                    .reply_bytes = bench::reply_bytes});
  bench::run_rounds(
      server, [&](std::size_t calls, bench::Samples& samples) { load.round(calls, samples); });
}
