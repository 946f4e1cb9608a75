// A server or a client whose system calls are counted. Between the lines "begin" and "end" on its
// stdout there is nothing but calls in steady state. Started by strace_test.cc.
//
//     strace_subject server PATH
//     strace_subject client PATH CALLS
//     strace_subject spinning-server PATH
//     strace_subject ring-client PATH CALLS

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

#include "tincan/tincan.h"

namespace {

using namespace tincan;

void say(std::string_view line) {
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, line.data(), line.size());
}

void serve(const char* path, const ServerOptions& with) {
  Server server = or_exit(Server::listen(path, with));
  server.on("echo", [](Request request) { request.reply(request.payload()); });
  server.on("begin", [](Request request) {
    request.reply();
    say("begin\n");
  });
  server.on("end", [&](Request request) {
    say("end\n");
    request.reply();
    server.stop();
  });
  say("ready\n");
  or_exit(server.run());
}

void call(const char* path, int calls, const ClientOptions& with) {
  Client client = or_exit(Client::connect(path, with));
  const std::string payload(1024, 'x');
  const CallOptions options{.deadline = std::chrono::milliseconds(200)};
  const auto repeat = [&] {
    for (int i = 0; i < calls; ++i) or_exit(client.call("echo", payload, options));
  };
  do repeat();
  while (with.transport != Transport::socket && client.ring_bytes() == 0);
  or_exit(client.call("begin", "", options));
  say("begin\n");
  repeat();
  say("end\n");
  or_exit(client.call("end", "", options));
}

}  // namespace

int main(int count, char** arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (count < 3) return 2;
  const std::string_view as = arguments[1];
  const ClientOptions over_a_ring{.waiting = Waiting::spin, .ring_after_calls = 1};
  if (as == "server") {
    serve(arguments[2], {.waiting = Waiting::block});
  } else if (as == "spinning-server") {
    serve(arguments[2], {.waiting = Waiting::spin});
  } else if (as == "client" && count == 4) {
    call(arguments[2], std::atoi(arguments[3]),
         {.transport = Transport::socket, .waiting = Waiting::block});
  } else if (as == "ring-client" && count == 4) {
    call(arguments[2], std::atoi(arguments[3]), over_a_ring);
  } else {
    return 2;
  }
  return 0;
}
