/// G8: how much memory of the server's one idle connection takes. Prints bytes a connection; the
/// first hundred connections are not counted, for with them come the buffers that all share.

#include <tincan/tincan.h>

#include <cstdio>
#include <vector>

#include "echo_server.h"
#include "harness/socket.h"
#include "harness/worker.h"
#include "trial/open_files.h"

int main() {
  static constexpr std::size_t warm_up = 100;
  static constexpr std::size_t connections = 10'000;
  bench::allow_many_descriptors();
  const bench::SocketPath socket;
  const bench::ServerProcess server(bench::Placement::free, [&](const auto& ready) {
    bench::run_echo_server(socket.path(), ready);
  });
  std::vector<tincan::Client> clients;
  const auto connect = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      clients.push_back(tincan::or_exit(tincan::Client::connect(socket.path())));
      // Every connection has done something once.
      tincan::or_exit(clients.back().call("echo", "x"));
    }
    return server.resident_bytes();
  };
  const std::size_t before = connect(warm_up);
  const std::size_t after = connect(connections);
  std::printf("%zu\n", (after - before) / connections);
}
