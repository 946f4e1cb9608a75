// Calls the greet server. Usage: greet_client [PATH [NAME]]

#include <tincan/tincan.h>

#include <cstdio>
#include <string>

using namespace std::chrono_literals;

int main(int count, char** arguments) {
  auto client = tincan::or_exit(tincan::Client::connect(count > 1 ? arguments[1] : "./hello.sock"));
  auto reply = client.call("greet", count > 2 ? arguments[2] : "world", {.deadline = 200ms});
  if (!reply) {
    std::fprintf(stderr, "%s\n", reply.error().explain().c_str());
    return 1;
  }
  std::printf("%s\n", std::string(reply->text()).c_str());
}
