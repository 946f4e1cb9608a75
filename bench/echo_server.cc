#include "echo_server.h"

#include <tincan/tincan.h>
#include <unistd.h>

#include "harness/socket.h"

namespace bench {

void run_echo_server(const std::string& path, const std::function<void()>& ready) {
  allow_many_descriptors();
  auto server = tincan::or_exit(
      tincan::Server::listen(path, {.connections_max = 16'384, .connections_per_uid_max = 16'384}));
  server.on("echo", [](tincan::Request request) { request.reply(request.payload()); });
  ready();
  tincan::or_exit(server.run());
  _exit(0);
}

}  // namespace bench
