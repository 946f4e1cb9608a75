// A restart of the server costs its clients the calls in flight, and nothing else (promise 7).

#include <signal.h>

#include <atomic>
#include <fstream>

#include "support/temporary_directory.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/server_process.h"
#include "system/shared_memory.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

struct Runs {
  std::atomic<int> dying;  ///< Calls of the method that kills its server the first time.
  std::atomic<int> servers;
};

Setup mortal(Runs& runs) {
  return [&runs](Server& server) {
    ++runs.servers;
    server.on("die once", [&runs](Request request) {
      if (runs.dying++ == 0) ::raise(SIGKILL);
      request.reply("survived");
    });
    server.on("die", [](Request) { ::raise(SIGKILL); });
  };
}

TEST(Restart, LetsTheNextCallWork) {  // P7
  const TemporaryDirectory directory;
  const Shared<Runs> runs;
  auto server = start_supervised_server(directory / "s", mortal(*runs));
  Client client = or_exit(Client::connect(directory / "s"));
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(client.reconnects(), i);
    const auto dead = client.call("die");
    ASSERT_FALSE(dead);
    EXPECT_EQ(dead.error().outcome(), Outcome::unknown);
    EXPECT_EQ(or_exit(client.call("tincan.ping", "alive")).text(), "alive");
  }
}

TEST(Restart, LetsOnlyAnIdempotentCallRunASecondTime) {  // P1
  const TemporaryDirectory directory;
  {
    const Shared<Runs> runs;
    auto server = start_supervised_server(directory / "once", mortal(*runs));
    Client client = or_exit(Client::connect(directory / "once"));
    const auto reply = client.call("die once");
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().outcome(), Outcome::unknown);
    EXPECT_TRUE(client.call("tincan.ping"));
    EXPECT_EQ(runs->dying, 1);
  }
  {
    const Shared<Runs> runs;
    auto server = start_supervised_server(directory / "again", mortal(*runs));
    Client client = or_exit(Client::connect(directory / "again"));
    EXPECT_EQ(or_exit(client.call("die once", "", {.idempotent = true})).text(), "survived");
    EXPECT_EQ(runs->dying, 2);
  }
  {
    const Shared<Runs> runs;
    auto server = start_supervised_server(directory / "typed", mortal(*runs));
    Client client = or_exit(Client::connect(directory / "typed"));
    const Method<std::string, std::string> method{"die once", {.idempotent = true}};
    EXPECT_EQ(or_exit(client.call(method, "")), "survived");
  }
}

TEST(Restart, SendsAgainWhatWasNotSent) {  // P1
  const TemporaryDirectory directory;
  const Shared<Runs> runs;
  auto server = start_supervised_server(directory / "s", mortal(*runs));
  // One call at a time: what is behind the deadly one is not sent when the server dies.
  Client client = or_exit(Client::connect(directory / "s", {.calls_in_flight_max = 1}));
  std::optional<Outcome> first;
  int answered = 0;
  ASSERT_TRUE(
      client.submit("die", {}, [&](Result<Reply> reply) { first = reply.error().outcome(); }));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.submit("tincan.ping", bytes_of("again"), [&](const Result<Reply>& reply) {
      answered += reply && reply->text() == "again";
    }));
  }
  ASSERT_TRUE(process_until(client, [&] { return first && answered == 20; }));
  EXPECT_EQ(*first, Outcome::unknown);
  EXPECT_EQ(client.reconnects(), 1u);
}

TEST(Restart, SendsEachDescriptorOnceToTheSuccessor) {  // P12
  const TemporaryDirectory directory;
  const auto setup = [](Server& server) {
    server.on("die", [](Request) { ::raise(SIGKILL); });
    server.on("count",
              [](Request request) { request.reply(std::to_string(request.descriptors().size())); });
  };
  auto server = start_supervised_server(directory / "s", setup, {.descriptors_max = 4});
  Client client = or_exit(Client::connect(directory / "s", {.calls_in_flight_max = 1}));
  std::vector<Descriptor> sent;
  sent.emplace_back(::dup(0));
  std::optional<std::string> counted;
  ASSERT_TRUE(client.submit("die", {}, [](const Result<Reply>&) {}));
  ASSERT_TRUE(client.submit(
      "count", {}, [&](Result<Reply> reply) { counted = or_exit(std::move(reply)).text(); },
      {.descriptors = sent}));
  ASSERT_TRUE(process_until(client, [&] { return counted.has_value(); }));
  EXPECT_EQ(*counted, "1");
}

TEST(Restart, BringsSixtyFourClientsBack) {  // P7
  const TemporaryDirectory directory;
  const Shared<Runs> runs;
  auto server = start_supervised_server(directory / "s", mortal(*runs));
  std::vector<Client> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(or_exit(Client::connect(directory / "s")));
  EXPECT_FALSE(clients[0].call("die"));
  for (Client& client : clients) {
    EXPECT_EQ(or_exit(client.call("tincan.ping", "back")).text(), "back");
    EXPECT_EQ(client.reconnects(), 1u);
  }
  EXPECT_EQ(runs->servers, 2);
}

TEST(Restart, IsWaitedForNoLongerThanAsked) {  // P3
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client patient = or_exit(Client::connect(directory / "s", {.reconnect_deadline = 1h}));
  Client hasty = or_exit(Client::connect(directory / "s", {.reconnect_deadline = 0ns}));
  server.kill();
  ASSERT_TRUE(server.wait());
  const auto reply = patient.call("tincan.ping", "", {.deadline = 50ms});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  const auto at_once = hasty.call("tincan.ping", "", {.deadline = 1h});
  ASSERT_FALSE(at_once);
  EXPECT_EQ(at_once.error().cause(), Cause::no_server);
  EXPECT_EQ(at_once.error().outcome(), Outcome::not_sent);
}

TEST(Restart, IsNotTriedAgainWhenARuleRefusesTheClient) {
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s", {.reconnect_deadline = 1h}));
  server.kill();
  ASSERT_TRUE(server.wait());
  server = start_server(directory / "s", [](Server&) {}, {.allow = {.uids = {geteuid() + 1}}});
  const auto refused = client.call("tincan.ping", "", {.deadline = 1h});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::refused);
  EXPECT_EQ(refused.error().outcome(), Outcome::not_sent);
}

TEST(Restart, IsSurvivedByAPollLoopWithoutBlockingIt) {
  const TemporaryDirectory directory;
  const Shared<Runs> runs;
  auto server = start_supervised_server(directory / "s", mortal(*runs));
  Client client = or_exit(Client::connect(directory / "s"));
  const int fd = client.fd();
  for (int round = 0; round < 3; ++round) {
    int ended = 0;
    const auto count = [&](const Result<Reply>&) { ++ended; };
    ASSERT_TRUE(client.submit("die", {}, count));
    ASSERT_TRUE(process_until(client, [&] { return ended == 1; }));
    ASSERT_TRUE(client.submit("tincan.ping", {}, [&](const Result<Reply>& reply) {
      EXPECT_TRUE(reply) << reply.error().explain();
      ++ended;
    }));
    ASSERT_TRUE(process_until(client, [&] { return ended == 2; }));
    EXPECT_EQ(client.fd(), fd);
  }
  EXPECT_EQ(client.reconnects(), 3u);
}

TEST(Restart, ThatNeverComesEndsSubmittedCallsAsNotSent) {  // P1, P3
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s", {.reconnect_deadline = 30ms}));
  server.kill();
  ASSERT_TRUE(server.wait());
  std::optional<Failure> by_patience;
  std::optional<Failure> by_deadline;
  ASSERT_TRUE(client.submit("tincan.ping", {},
                            [&](Result<Reply> reply) { by_patience = reply.error(); },
                            {.deadline = 1h}));
  ASSERT_TRUE(client.submit("tincan.ping", {},
                            [&](Result<Reply> reply) { by_deadline = reply.error(); },
                            {.deadline = 1ms}));
  ASSERT_TRUE(process_until(client, [&] { return by_patience && by_deadline; }));
  EXPECT_EQ(by_patience->cause(), Cause::no_server);
  EXPECT_EQ(by_deadline->cause(), Cause::deadline);
  for (const auto& failure : {*by_patience, *by_deadline}) {
    EXPECT_EQ(failure.outcome(), Outcome::not_sent);
  }
}

/// Whether this thread slept in the kernel since `before`: what a poll loop must not do in
/// process().
std::uint64_t sleeps() {
  std::ifstream status("/proc/thread-self/status");
  std::string word;
  while (status >> word && word != "voluntary_ctxt_switches:") {
  }
  std::uint64_t count = 0;
  status >> count;
  return count;
}

TEST(Restart, AtAFullBacklogDoesNotBlockAPollLoop) {
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s"));
  server.kill();
  ASSERT_TRUE(server.wait());
  ASSERT_EQ(::unlink((directory / "s").c_str()), 0);
  const Descriptor listener = raw_listener(directory / "s", 0);
  std::vector<Descriptor> waiting;
  while (Descriptor one = raw_connection(directory / "s", SOCK_NONBLOCK)) {
    waiting.push_back(std::move(one));
  }
  std::optional<Failure> ended;
  ASSERT_TRUE(client.submit("tincan.ping", {}, [&](Result<Reply> reply) { ended = reply.error(); },
                            {.deadline = 30ms}));
  const std::uint64_t before = sleeps();
  for (int i = 0; i < 100; ++i) client.process();
  EXPECT_LE(sleeps(), before + 5) << "process() sleeps";
  ASSERT_TRUE(process_until(client, [&] { return ended.has_value(); }));
  EXPECT_EQ(ended->outcome(), Outcome::not_sent);
  EXPECT_EQ(ended->cause(), Cause::deadline);
}

}  // namespace

}  // namespace tincan::test
