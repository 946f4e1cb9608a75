// No call hangs, whatever the server does or does not do (promise 3).

#include <fcntl.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"
#include "system/server_process.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// A bound that only a hang exceeds; docs/performance.md has the measured one.
constexpr auto hang = 10s;

void expect_in_time(steady_clock::time_point start, std::chrono::nanoseconds deadline) {
  const auto took = steady_clock::now() - start;
  EXPECT_GE(took, deadline);
  EXPECT_LT(took, deadline + hang);
}

TEST(Deadline, EndsACallToAStoppedServerAndTheConnectionGoesOn) {  // P3
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s"));
  server.kill(SIGSTOP);
  const auto start = steady_clock::now();
  const auto reply = client.call("tincan.ping", "first", {.deadline = 50ms});
  expect_in_time(start, 50ms);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().cause(), Cause::deadline);
  EXPECT_EQ(reply.error().outcome(), Outcome::unknown);
  EXPECT_NE(reply.error().detail().find("did not answer tincan.ping in time"), std::string::npos);
  server.kill(SIGCONT);
  // The late verdict on the first is not taken for the answer to the second.
  EXPECT_EQ(or_exit(client.call("tincan.ping", "second", {.deadline = hang})).text(), "second");
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST(Deadline, EndsACallWhoseBytesTheServerDoesNotRead) {  // P1, P3
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s"));
  server.kill(SIGSTOP);
  const std::string large(8 << 20, 'x');
  const auto start = steady_clock::now();
  const auto reply = client.call("tincan.ping", large, {.deadline = 50ms});
  expect_in_time(start, 50ms);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().cause(), Cause::deadline);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  const auto sent = client.send("tincan.ping", large, {.deadline = 50ms});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().outcome(), Outcome::not_sent);
  server.kill(SIGCONT);
  EXPECT_EQ(or_exit(client.call("tincan.ping", "small", {.deadline = hang})).text(), "small");
}

TEST(Deadline, OfNothingOrLessEndsTheCallAtOnce) {
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s"));
  for (const auto deadline : {0ns, -1ns, std::chrono::nanoseconds::min()}) {
    const auto reply = client.call("tincan.ping", "", {.deadline = deadline});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().cause(), Cause::deadline);
  }
  EXPECT_TRUE(client.call("tincan.ping", "", {.deadline = std::chrono::nanoseconds::max()}));
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST(Deadline, EndsConnectingToAListenerThatNeverAccepts) {  // P3, attack 12
  const TemporaryDirectory directory;
  const Descriptor listener = raw_listener(directory / "s", 8);
  const auto start = steady_clock::now();
  const auto client = Client::connect(directory / "s", {.connect_deadline = 50ms});
  expect_in_time(start, 50ms);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().cause(), Cause::deadline);
  EXPECT_NE(client.error().explain().find("accepted us but sent no HELLO in 50 ms; not a tincan "
                                          "server? For raw bytes: tincan bytes"),
            std::string::npos)
      << client.error().explain();
}

TEST(Deadline, EndsConnectingWhenTheBacklogIsFull) {  // P3, attack 13
  const TemporaryDirectory directory;
  const Descriptor listener = raw_listener(directory / "s", 0);
  std::vector<Descriptor> waiting;
  while (Descriptor one = raw_connection(directory / "s", SOCK_NONBLOCK)) {
    waiting.push_back(std::move(one));
  }
  ASSERT_EQ(errno, EAGAIN);
  const auto start = steady_clock::now();
  const auto client = Client::connect(directory / "s", {.connect_deadline = 50ms});
  expect_in_time(start, 50ms);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().cause(), Cause::deadline);
  EXPECT_NE(client.error().detail().find("backlog is full"), std::string::npos);
}

TEST(Deadline, IsAmpleForAllWhoWaitAtAFullBacklog) {  // attack 13
  constexpr int clients = 50;
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {}, {.backlog = 1});
  server.kill(SIGSTOP);
  std::atomic<int> started = 0;
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      ++started;
      auto client = Client::connect(directory / "s", {.connect_deadline = patience});
      if (client && client->call("tincan.ping", "", {.deadline = patience})) ++answered;
    });
  }
  EXPECT_TRUE(eventually([&] { return started == clients; }));
  server.kill(SIGCONT);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, clients);
}

TEST(Deadline, EndsSubmittedCallsToo) {  // P3
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s", {.calls_in_flight_max = 2}));
  server.kill(SIGSTOP);
  std::vector<Failure> ends;
  const auto end = [&](Result<Reply> reply) { ends.push_back(reply.error()); };
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.submit("tincan.ping", {}, end, {.deadline = 20ms}));
  }
  ASSERT_TRUE(process_until(client, [&] { return ends.size() == 3; }));
  std::size_t not_sent = 0;
  for (const Failure& failure : ends) {
    EXPECT_EQ(failure.cause(), Cause::deadline);
    not_sent += failure.outcome() == Outcome::not_sent;
  }
  EXPECT_EQ(not_sent, 1u);  // the one that waited for a slot
  server.kill(SIGCONT);
  EXPECT_TRUE(client.call("tincan.ping", "", {.deadline = hang}));
}

TEST(Deadline, PassesForEachOfManyThreadsOnOneConnection) {  // P3
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s"));
  server.kill(SIGSTOP);
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, deadline = std::chrono::milliseconds(10 + 5 * i)] {
      // Some of them in the middle of writing.
      const std::string payload(deadline.count() % 3 == 0 ? 1 << 20 : 10, 'x');
      const auto start = steady_clock::now();
      const auto reply = client.call("tincan.ping", payload, {.deadline = deadline});
      expect_in_time(start, deadline);
      EXPECT_FALSE(reply);
    });
  }
  for (std::thread& thread : threads) thread.join();
  server.kill(SIGCONT);
  EXPECT_TRUE(client.call("tincan.ping", "", {.deadline = hang}));
}

TEST(Deadline, IsNotNeededWhenBothSidesWriteAtOnce) {  // P3
  RunningServer server;
  server->on("echo", [](Request request) { request.reply(request.payload()); });
  server.run();
  Client client = server.connect();
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const std::string payload(1 << 20, static_cast<char>('a' + i));
      for (int k = 0; k < 2; ++k) {
        const auto reply = client.call("echo", payload, {.deadline = 60s});
        ASSERT_TRUE(reply) << reply.error().explain();
        EXPECT_TRUE(reply->text() == payload);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  // The same from one thread.
  const std::string payload(1 << 20, 'z');
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    const auto take = [&](const Result<Reply>& reply) { answered += reply->text() == payload; };
    ASSERT_TRUE(client.submit("echo", bytes_of(payload), take, {.deadline = 60s}));
  }
  ASSERT_TRUE(process_until(client, [&] { return answered == 10; }));
  EXPECT_EQ(client.reconnects(), 0u);
}

}  // namespace

}  // namespace tincan::test
