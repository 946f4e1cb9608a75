#include "tincan/testing.h"

#include "support/process.h"
#include "support/seam.h"

namespace tincan {

namespace {

using namespace std::chrono_literals;

TEST(TestingPair, CallsItsServerWithoutAThread) {
  auto [server, client] = testing::pair();
  server.on("greet",
            [](Request request) { request.reply("hello " + std::string(request.text())); });
  EXPECT_EQ(or_exit(client.call("greet", "world")).text(), "hello world");
  EXPECT_EQ(client.call("gret").error().cause(), Cause::no_method);
  EXPECT_TRUE(client.send("greet", "nobody"));
}

TEST(Server, NeedsAnAddressThatCanBeRead) {
  EXPECT_EQ(Server::listen("nowhere:x").error().cause(), Cause::usage);
}

TEST(TestingPair, TakesNoOptionsThatAServerWouldNot) {
  EXPECT_EXIT((void)testing::pair({.request_bytes_step = 0}), ::testing::ExitedWithCode(1),
              "request_bytes_step is 0");
}

TEST(TestingPair, CarriesLargePayloadsBothWays) {
  auto [server, client] = testing::pair();
  server.on("echo", [](Request request) { request.reply(request.payload()); });
  const std::string large(5 << 20, 'x');
  EXPECT_TRUE(or_exit(client.call("echo", large, {.deadline = 60s})).text() == large);
}

TEST(TestingPair, EndsACallThatAHandlerMakesToItsOwnServer) {
  auto [server, client] = testing::pair();
  std::optional<Result<Reply>> nested;
  int run = 0;
  server.on("outer", [&](Request request) {
    nested = client.call("inner", std::string(2000, '\xff'), {.deadline = 20ms});
    request.reply("outer");
  });
  server.on("inner", [&](Request request) { request.reply(); });
  server.on("count", [&](Request request) { request.reply(std::to_string(++run)); });
  std::vector<std::string> answers;
  const auto take = [&](Result<Reply> reply) {
    answers.emplace_back(or_exit(std::move(reply)).text());
  };
  for (const char* method : {"outer", "count", "count"}) {
    ASSERT_TRUE(client.submit(method, {}, take, {.deadline = 1h}));
  }
  while (answers.size() < 3) {
    client.process();
    server.process();
  }
  ASSERT_TRUE(nested && !*nested);
  EXPECT_EQ(nested->error().cause(), Cause::deadline);
  EXPECT_EQ(answers, (std::vector<std::string>{"outer", "1", "2"}));
  EXPECT_EQ(server.counts().breaches, 0u);
}

TEST(TestingPair, LetsATestHoldARequestPastItsDeadline) {
  auto [server, client] = testing::pair();
  std::optional<Request> held;
  server.on("hold", [&](Request request) { held = std::move(request); });
  const auto reply = client.call("hold", "", {.deadline = 5ms});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().cause(), Cause::deadline);
  EXPECT_EQ(reply.error().outcome(), Outcome::unknown);
  EXPECT_TRUE(held->abandoned());
  held->reply("late");
  EXPECT_TRUE(client.call("tincan.ping"));
}

TEST(TestingPair, CannotHaveARing) {
  EXPECT_EXIT((void)testing::pair({}, {.transport = Transport::ring}), ::testing::ExitedWithCode(1),
              "no ring with testing-pair: .*shares its thread");
}

TEST(TestingPair, ObeysTheOptionsOfBothSides) {
  auto [server, client] =
      testing::pair({.payload_bytes_max = 10, .descriptors_max = 1}, {.payload_bytes_max = 20});
  server.on("twice", [](Request request) {
    request.reply(std::string(request.text()) + std::string(request.text()) + "!");
  });
  EXPECT_EQ(client.call("twice", "12345678901").error().cause(), Cause::too_large);
  EXPECT_EQ(client.call("twice", "1234567890").error().outcome(), Outcome::declared);
  EXPECT_EQ(or_exit(client.call("twice", "123456789")).text().size(), 19u);
}

TEST(TestingPair, MayBeMovedAndTakenApartInAnyOrder) {
  std::optional<Server> server;
  std::optional<Client> client;
  {
    auto pair = testing::pair({}, {.reconnect_deadline = 1ms});
    server.emplace(std::move(pair.server));
    client.emplace(std::move(pair.client));
  }
  EXPECT_TRUE(client->call("tincan.ping"));
  EXPECT_TRUE(client->peer().inherited());
  // A test of what a program does when its server goes.
  server.reset();
  const auto reply = client->call("tincan.ping", "", {.deadline = 10s});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  EXPECT_NE(reply.error().cause(), Cause::deadline);
}

TEST(TestingPair, LosesTheCallsUnderWayWhenItsServerGoes) {
  auto pair = testing::pair();
  std::optional<Server> server = std::move(pair.server);
  std::optional<Request> held;
  server->on("hold", [&](Request request) { held = std::move(request); });
  std::optional<Failure> ended;
  ASSERT_TRUE(pair.client.submit("hold", {}, [&](Result<Reply> reply) { ended = reply.error(); }));
  server->process();
  ASSERT_TRUE(held);
  server.reset();
  pair.client.process();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->outcome(), Outcome::unknown);
  EXPECT_EQ(ended->cause(), Cause::closed);
}

TEST(TestingPair, AnswersTypedCallsThatDecodeAndNoOthers) {
  auto [server, client] = testing::pair();
  server.on("half", [](Request request) { request.reply("xy"); });
  const Method<int, std::int16_t> half{"half"};
  const Method<int, std::int64_t> mistyped{"half", {.idempotent = true}};
  const Method<int, int> missing{"none"};
  EXPECT_TRUE(client.call(half, 4));
  const auto undecoded = client.call(mistyped, 4);
  ASSERT_FALSE(undecoded);
  EXPECT_EQ(undecoded.error().outcome(), Outcome::unknown);
  EXPECT_EQ(undecoded.error().cause(), Cause::breach);
  EXPECT_EQ(client.call(missing, 4, {.idempotent = true}).error().cause(), Cause::no_method);
}

TEST(TestingPair, ItsRequestsAreTheParentsAlone) {
  auto [server, client] = testing::pair();
  std::optional<Request> held;
  server.on("hold", [&](Request request) { held = std::move(request); });
  std::optional<std::string> answer;
  ASSERT_TRUE(client.submit("hold", {}, [&](Result<Reply> reply) {
    answer = reply ? reply->text() : reply.error().explain();
  }));
  server.process();
  ASSERT_TRUE(held);
  auto child = test::Process::fork([&] {
    const bool dead = held->reply("child").error().cause() == Cause::forked &&
                      held->fail("child").error().cause() == Cause::forked &&
                      held->decline("child").error().cause() == Cause::forked;
    return dead ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(held->reply("parent"));
  server.process();
  client.process();
  EXPECT_EQ(answer, "parent");
}

#ifdef TINCAN_SEAM

class NoSocketPairs : public os::Seam {
 public:
  int before(os::Call call, std::size_t*) override {
    return call == os::Call::socketpair ? EMFILE : 0;
  }
};

TEST(TestingPair, EndsTheTestWhereThereAreNoDescriptors) {
  NoSocketPairs none;
  const test::Installed installed(none);
  EXPECT_EXIT((void)testing::pair(), ::testing::ExitedWithCode(1), "no descriptors for a pair");
}

#endif

}  // namespace

}  // namespace tincan
