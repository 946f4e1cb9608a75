// A server or a client whose system calls are counted. Between the lines "begin" and "end" on its
// stdout there is nothing but calls in steady state. Started by strace_test.cc.
//
//     strace_subject server PATH
//     strace_subject client PATH CALLS

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

void serve(const char* path) {
  Server server = or_exit(Server::listen(path));
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

void call(const char* path, int calls) {
  Client client = or_exit(Client::connect(path));
  const std::string payload(1024, 'x');
  const CallOptions options{.deadline = std::chrono::milliseconds(200)};
  const auto repeat = [&] {
    for (int i = 0; i < calls; ++i) or_exit(client.call("echo", payload, options));
  };
  repeat();
  or_exit(client.call("begin", "", options));
  say("begin\n");
  repeat();
  say("end\n");
  or_exit(client.call("end", "", options));
}

}  // namespace

int main(int count, char** arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (count == 3 && std::string_view(arguments[1]) == "server") return serve(arguments[2]), 0;
  if (count == 4 && std::string_view(arguments[1]) == "client") {
    return call(arguments[2], std::atoi(arguments[3])), 0;
  }
  return 2;
}
