#include "echo_server.h"

#include <tincan/tincan.h>
#include <unistd.h>

#include "harness/samples.h"
#include "harness/socket.h"
#include "trial/open_files.h"

namespace bench {

void run_echo_server(const std::string& path, const std::function<void()>& ready,
                     tincan::Waiting waiting, std::chrono::nanoseconds work) {
  allow_many_descriptors();
  auto server = tincan::or_exit(tincan::Server::listen(
      path, {.connections_max = 16'384, .connections_per_uid_max = 16'384, .waiting = waiting}));
  server.on("echo", [work](tincan::Request request) {
    if (work.count() > 0) {
      const std::int64_t end = now() + work.count();
      while (now() < end) {
      }
    }
    request.reply(request.payload());
  });
  ready();
  tincan::or_exit(server.run());
  _exit(0);
}

}  // namespace bench
