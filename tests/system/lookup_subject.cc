// A client that has to look a user up, in a directory service that takes its time, or to connect to
// a server that does. Meanwhile other threads must be able to use it: each time one does, or the
// process ends with a word about it. Prints how often that was. Started by lookup_test.cc.

#include <pwd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "system/polling.h"
#include "system/running_server.h"

namespace {

using namespace tincan;

std::atomic<Client*> client_in_use = nullptr;
std::atomic<int> lookups = 0;
std::atomic<int> connects = 0;

/// Asks for something that is under the client's lock, from another thread.
void use_the_client(const char* meanwhile) {
  Client* const client = client_in_use;
  if (client == nullptr) return;
  std::atomic<bool> used = false;
  std::thread other([&] {
    [[maybe_unused]] const auto count = client->reconnects();
    used = true;
  });
  if (!test::eventually([&] { return used.load(); })) {
    std::printf("nobody can use the client during %s\n", meanwhile);
    std::fflush(stdout);
    std::_Exit(1);
  }
  other.join();
}

}  // namespace

// The C library's, replaced for this program: its answer is that there is no such user.
extern "C" int getpwuid_r(uid_t, passwd*, char*, size_t, passwd** found) {
  *found = nullptr;
  lookups += client_in_use != nullptr;
  use_the_client("a look-up");
  return 0;
}

extern "C" int connect(int socket, const sockaddr* address, socklen_t bytes) {
  connects += client_in_use != nullptr;
  use_the_client("connecting");
  return static_cast<int>(::syscall(SYS_connect, socket, address, bytes));
}

namespace {

constexpr uid_t somebody_else = 54321;
constexpr CallOptions patient{.deadline = test::patience};

void expect_refused(const Result<Reply>& reply) {
  if (!reply && reply.error().cause() == Cause::refused) return;
  std::printf("not refused\n");
  std::_Exit(1);
}

/// Ends by the refusal of a call that waits, and of one that was submitted.
void be_refused(Client& client) {
  expect_refused(client.call("method", "", patient));
  bool ended = false;
  const auto take = [&](const Result<Reply>& reply) { expect_refused(reply), ended = true; };
  or_exit(client.submit("method", {}, take, patient));
  if (!test::process_until(client, [&] { return ended; })) std::_Exit(1);
}

int run() {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "s";
  std::optional<Server> server = or_exit(Server::listen(path));
  std::thread loop([&] { or_exit(server->run()); });
  Client client = or_exit(Client::connect(path));
  server->stop();
  loop.join();
  server.reset();
  server = or_exit(Server::listen(path, {.allow = {.uids = {somebody_else}}}));
  loop = std::thread([&] { or_exit(server->run()); });
  client_in_use = &client;
  be_refused(client);
  client_in_use = nullptr;
  server->stop();
  loop.join();
  std::printf("looked up %d, connected %d\n", lookups.load(), connects.load());
  return 0;
}

}  // namespace

int main() { return run(); }
