#pragma once

#include <sys/prctl.h>

#include <cstdio>
#include <functional>
#include <string>

#include "support/process.h"
#include "tincan/server.h"

namespace tincan::test {

/// What a server process does before it runs: adds its methods.
using Setup = std::function<void(Server&)>;

/// The body of a server process; says "ready" once clients may connect.
inline int serve(const std::string& path, const Setup& setup, const ServerOptions& options = {}) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Server server = or_exit(Server::listen(path, options));
  setup(server);
  std::printf("ready\n");
  std::fflush(stdout);
  or_exit(server.run());
  return 0;
}

/// A server in a process of its own, listening when this returns. (To be called while the test has
/// no thread: it forks.)
inline Process start_server(const std::string& path, const Setup& setup,
                            const ServerOptions& options = {}) {
  Process process = Process::fork([&] { return serve(path, setup, options); });
  EXPECT_TRUE(process.wait_for_output("ready")) << process.output();
  return process;
}

/// A process that starts a server again each time it dies, listening when this returns.
inline Process start_supervised_server(const std::string& path, const Setup& setup,
                                       const ServerOptions& options = {}) {
  Process supervisor = Process::fork([&] {
    while (true) {
      const pid_t server = ::fork();
      if (server == 0) leave(serve(path, setup, options));
      ::waitpid(server, nullptr, 0);
    }
    return 0;
  });
  EXPECT_TRUE(supervisor.wait_for_output("ready")) << supervisor.output();
  return supervisor;
}

}  // namespace tincan::test
