// Each limit stops whoever exceeds it, and nobody else (promises 4 and 5).

#include <thread>

#include "support/rounds.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t mebibyte = 1024 * 1024;

void echo(Request request) { request.reply(request.payload()); }

/// Bytes that differ from place to place.
std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 131 + (i >> 13));
  return text;
}

TEST(Limits, PayloadsOfEverySizeUpToTheLimitComeBackUnchanged) {  // P2
  RunningServer server;
  server->on("echo", echo);
  server.run();
  Client client = server.connect();
  constexpr std::size_t fragment = limits::fragment_bytes_max;
  // Of what takes long under ThreadSanitizer nothing is decided by threads.
  constexpr std::size_t largest = limits::payload_bytes_max / thread_sanitizer_slowness;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{1000}, fragment - 300, fragment - 30,
        fragment - 1, fragment, fragment + 1, 2 * fragment, 5 * fragment + 7, mebibyte, largest}) {
    const std::string payload = pattern(size);
    const auto reply = client.call("echo", payload, {.deadline = 60s});
    ASSERT_TRUE(reply) << size << ": " << reply.error().explain();
    EXPECT_TRUE(reply->text() == payload) << size;
  }
}

TEST(Limits, APayloadOverTheLimitIsFoundBeforeAByteIsSent) {  // P4
  RunningServer server({.payload_bytes_max = 1000});
  server->on("echo", echo);
  server.run();
  Client client = server.connect();
  EXPECT_TRUE(client.call("echo", std::string(1000, 'x')));
  const auto over = client.call("echo", std::string(1001, 'x'));
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().cause(), Cause::too_large);
  EXPECT_EQ(over.error().outcome(), Outcome::not_sent);
  EXPECT_EQ(over.error().detail(), "a payload of 1001 bytes; the server takes 1000");
  const auto submitted =
      client.submit("echo", std::vector<std::byte>(1001), [](const Result<Reply>&) { FAIL(); });
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().cause(), Cause::too_large);
  client.process();
  EXPECT_EQ(server->counts().calls, 1u);
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST(Limits, AReplyOverTheCallersLimitBecomesADeclaredError) {
  RunningServer server;
  std::optional<Cause> told;
  server->on("large", [&](Request request) {
    const auto replied = request.reply(std::string(101, 'x'));
    if (!replied) told = replied.error().cause();
  });
  server.run();
  Client client = server.connect({.payload_bytes_max = 100});
  const auto reply = client.call("large");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::declared);
  EXPECT_EQ(reply.error().cause(), Cause::too_large);
  EXPECT_EQ(told, Cause::too_large);
  EXPECT_TRUE(client.call("tincan.ping"));
}

TEST(Limits, CallsBeyondThoseInFlightWaitAtTheClient) {  // P4
  RunningServer server({.calls_in_flight_max = 4});
  std::vector<Request> held;
  server->on("hold", [&](Request request) { held.push_back(std::move(request)); });
  server->on("release", [&](Request request) {
    for (Request& one : std::exchange(held, {})) one.reply("released");
    request.reply();
  });
  server.run();
  Client client = server.connect();
  Client other = server.connect();
  int answered = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.submit("hold", {},
                              [&](const Result<Reply>& reply) { answered += reply.has_value(); },
                              {.deadline = 60s}));
  }
  for (std::uint64_t round = 1; round <= 5; ++round) {
    const std::uint64_t let_through = 4 * round;
    const std::uint64_t releases = round - 1;
    ASSERT_TRUE(eventually([&] { return server->counts().calls == let_through + releases; }));
    ASSERT_TRUE(other.call("release"));
    ASSERT_TRUE(process_until(client, [&] { return answered == static_cast<int>(let_through); }));
  }
}

TEST(Limits, OfConnectionsNameThemselves) {  // P4, attack 4
  RunningServer in_all({.connections_max = 2});
  in_all.run();
  RunningServer of_one({.connections_per_uid_max = 2});
  of_one.run();
  const auto expect_full = [](RunningServer& server, std::string_view detail) {
    std::vector<Client> clients;
    clients.push_back(server.connect());
    clients.push_back(server.connect());
    const auto refused = Client::connect(server.path());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().cause(), Cause::exhausted);
    EXPECT_NE(refused.error().detail().find(detail), std::string::npos) << refused.error().detail();
    EXPECT_EQ(server->counts().refused, 1u);
    EXPECT_TRUE(clients[0].call("tincan.ping"));
    clients.pop_back();
    EXPECT_TRUE(eventually([&] { return Client::connect(server.path()).has_value(); }));
  };
  expect_full(in_all, "the server has 2 connections, its limit");
  expect_full(of_one, "has 2 connections, the server's limit for one user");
}

TEST(Limits, AClientThatReadsNoRepliesIsNotReadFromEither) {  // P4, P5, attack 3
  const std::string large(100'000, 'x');  // also for calls that are run after their caller has gone
  RunningServer server;
  server->on("large", [&](Request request) { request.reply(large); });
  server.run();
  RawPeer greedy(server.path());
  ASSERT_TRUE(greedy.greet());
  RawPeer::Bytes calls;
  for (std::uint16_t i = 0; i < limits::calls_in_flight_max; ++i) {
    const auto call = RawPeer::call(i + 1u, i, "large", std::string(4000, 'y'));
    calls.insert(calls.end(), call.begin(), call.end());
  }
  // It writes until neither it nor the server gets on, while another client is served.
  Client client = server.connect();
  std::size_t sent = 0;
  std::uint64_t run = 0;
  std::uint64_t pings = 0;
  ASSERT_TRUE(eventually([&] {
    const auto count = ::send(greedy.fd(), calls.data() + sent, calls.size() - sent, MSG_DONTWAIT);
    if (count > 0) sent += static_cast<std::size_t>(count);
    EXPECT_TRUE(client.call("tincan.ping"));
    ++pings;
    const std::uint64_t before = std::exchange(run, server->counts().calls - pings);
    return count < 0 && run == before;
  }));
  EXPECT_LT(sent, calls.size());
  EXPECT_LT(run * large.size(), 16 * mebibyte);
}

/// What becomes of an answer of `bytes` to a client that takes any and has read everything.
Result<Reply> answer_of(std::size_t bytes, const ServerOptions& options) {
  RunningServer server(options);
  server->on("answer", [&](Request request) { request.reply(std::string(bytes, 'x')); });
  server.run();
  Client client = server.connect({.payload_bytes_max = UINT64_MAX});
  return client.call("answer", "", {.deadline = 60s});
}

TEST(Limits, OfUnreadAnswersHaveRoomForOnePayloadMore) {
  const auto reply = answer_of(limits::payload_bytes_max, {.outgoing_bytes_max = 0});
  ASSERT_TRUE(reply) << reply.error().explain();
  EXPECT_EQ(reply->payload().size(), limits::payload_bytes_max);
}

TEST(Limits, OfUnreadAnswersHaveRoomForOneAsLargeAsTheLargestRequest) {
  constexpr std::size_t larger = limits::payload_bytes_max + mebibyte;
  EXPECT_TRUE(answer_of(larger, {.payload_bytes_max = larger, .outgoing_bytes_max = 0}));
}

TEST(Limits, OfUnreadAnswersAreNotPassedByOneThatIsLarger) {  // P4
  const auto reply =
      answer_of(limits::payload_bytes_max + 2 * mebibyte, {.outgoing_bytes_max = mebibyte});
  ASSERT_FALSE(reply) << "it was kept";
  EXPECT_EQ(reply.error().outcome(), Outcome::declared);
  EXPECT_EQ(reply.error().cause(), Cause::too_large);
  EXPECT_EQ(reply.error().detail(),
            "an answer of 69206016 bytes is lost: with 0 bytes of answers unread before it, that "
            "is over the 68157440 that the server keeps for one connection");
}

/// Keeps requests until it is told how much to answer each of them with.
class HoldingServer : public ::testing::Test {
 protected:
  HoldingServer() {
    server_->on("hold", [this](Request request) { held_.push_back(std::move(request)); });
    server_->on("release", [this](Request request) {
      // From another thread, as most who hold requests do.
      std::thread answering([this] {
        for (Request& one : std::exchange(held_, {})) one.reply(std::string(5 * mebibyte / 4, 'x'));
      });
      answering.join();
      request.reply();
    });
    server_.run();
  }
  ~HoldingServer() override { server_.end(); }

  std::vector<Request> held_;
  RunningServer server_{{.outgoing_bytes_max = 4 * mebibyte}};
};

TEST_F(HoldingServer, LosesTheAnswersThatAClientLeavesUnreadBeyondTheLimit) {  // P4, P5, P6
  RawPeer stalled(server_.path());
  ASSERT_TRUE(stalled.greet());
  for (std::uint16_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(stalled.send(RawPeer::call(i + 1u, i, "hold")));
  }
  Client client = server_.connect();
  ASSERT_TRUE(eventually([&] { return server_->counts().calls == 8; }));
  ASSERT_TRUE(client.call("release"));
  EXPECT_TRUE(eventually([&] { return server_->counts().errors > 0; }));
  EXPECT_TRUE(client.call("tincan.ping"));
  // It is slow, not dead: what was kept is still its own, and it knows what was not.
  int answers = 0;
  int errors = 0;
  while (answers + errors < 8) {
    const auto frame = stalled.read();
    ASSERT_TRUE(frame);
    const bool last = (frame->header.flags & wire::flag_more) == 0;
    answers += last && frame->header.kind == wire::Kind::reply;
    if (frame->header.kind != wire::Kind::error) continue;
    ++errors;
    EXPECT_NE(frame->error().find("unread"), std::string::npos) << frame->error();
  }
  EXPECT_GE(answers, 4);
  EXPECT_GE(errors, 1);
}

TEST_F(HoldingServer, GivesAClientThatReadsAllItsAnswersAtOnce) {  // P6
  Client client = server_.connect();
  Client other = server_.connect();
  int answered = 0;
  for (int i = 0; i < 4; ++i) {  // 5 MiB: the last one goes over the limit
    ASSERT_TRUE(client.submit("hold", {},
                              [&](const Result<Reply>& reply) { answered += reply.has_value(); },
                              {.deadline = 60s}));
  }
  ASSERT_TRUE(process_until(client, [&] { return server_->counts().calls == 4; }));
  ASSERT_TRUE(other.call("release"));
  EXPECT_TRUE(process_until(client, [&] { return answered == 4; }));
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST(Limits, AThousandClientsAtOnceAreServed) {  // P5
  constexpr int threads_count = 8;
  constexpr int clients_each = 125;
  RunningServer server;
  server.run();
  std::atomic<int> answered = 0;
  std::atomic<int> connected = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_count; ++i) {
    threads.emplace_back([&] {
      std::vector<Client> clients;
      for (int k = 0; k < clients_each; ++k) {
        clients.push_back(server.connect({.connect_deadline = patience}));
        ++connected;
      }
      // From here on all thousand are there.
      EXPECT_TRUE(eventually([&] { return connected == threads_count * clients_each; }));
      for (int round = 0; round < 2; ++round) {
        for (Client& client : clients) {
          answered += client.call("tincan.ping", "x", {.deadline = 60s}).has_value();
        }
      }
      EXPECT_TRUE(eventually([&] { return answered == 2 * threads_count * clients_each; }));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 2 * threads_count * clients_each);
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 0; }));
  EXPECT_EQ(server->counts().accepted, static_cast<unsigned>(threads_count * clients_each));
}

}  // namespace

}  // namespace tincan::test
