// A server with one method. Usage: greet_server [PATH]

#include <tincan/tincan.h>

#include <csignal>
#include <cstdio>
#include <string>

namespace {
tincan::Server* running = nullptr;
}

int main(int count, char** arguments) {
  auto server = tincan::or_exit(tincan::Server::listen(count > 1 ? arguments[1] : "./hello.sock"));
  server.on("greet",
            [](tincan::Request request) { request.reply("hello " + std::string(request.text())); });

  // stop() may be called from a signal handler: calls under way are answered, then run() returns.
  running = &server;
  std::signal(SIGTERM, [](int) { running->stop(); });
  std::signal(SIGINT, [](int) { running->stop(); });

  std::printf("greeting at %s\n", server.address().text().c_str());
  std::fflush(stdout);
  tincan::or_exit(server.run());
}
