// A request that its handler declines was not run, and its caller learns that and why (promise 1).

#include <fcntl.h>

#include <thread>

#include "system/kept_requests.h"
#include "system/polling.h"
#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

void expect_not_sent(const Result<Reply>& reply, Cause cause, std::string_view detail) {
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent) << reply.error().explain();
  EXPECT_EQ(reply.error().cause(), cause) << reply.error().explain();
  EXPECT_EQ(reply.error().detail(), detail);
}

TEST(Decline, TellsTheCallerThatItWasNotRunAndLeavesItToTheCallerToCallAgain) {  // P1
  RunningServer server;
  KeptRequests kept;
  server->on("at once", [](Request request) { EXPECT_TRUE(request.decline("too busy")); });
  server->on("later", kept.handler());
  server.run();
  Client client = server.connect();
  const CallOptions idempotent{.deadline = 1h, .idempotent = true};
  expect_not_sent(client.call("at once", "", idempotent), Cause::exhausted, "too busy");
  auto later = call_later(client, "later", idempotent);
  EXPECT_TRUE(kept.take().decline("from another thread"));
  expect_not_sent(later.get(), Cause::exhausted, "from another thread");
  EXPECT_EQ(server->counts().calls, 2u);  // neither was sent again
  EXPECT_EQ(server->counts().declined, 2u);
  EXPECT_EQ(server->counts().errors, 0u);
  EXPECT_EQ(client.reconnects(), 0u);
  EXPECT_EQ(client.call("at once").error().detail(), "too busy");
}

TEST(Decline, WithoutWordsStillMakesASentence) {
  RunningServer server;
  server->on("at once", [](Request request) { request.decline(); });
  server.run();
  Client client = server.connect();
  EXPECT_EQ(client.call("at once").error().explain(),
            "not sent: out of descriptors, memory or places; try later");
}

TEST(Decline, AfterTheDeadlineSaysThatTheCallExpired) {  // P1
  RunningServer server;
  KeptRequests kept;
  server->on("later", kept.handler());
  server.run();
  Client client = server.connect({.verdict_grace = patience});
  auto call = call_later(client, "later", {.deadline = 50ms});
  Request request = kept.take();
  ASSERT_TRUE(eventually([&] { return request.abandoned(); }));
  EXPECT_TRUE(request.decline("nobody was free"));
  expect_not_sent(call.get(), Cause::deadline, "nobody was free");
}

TEST(Decline, OfACallThatWasGivenUpSaysThatItWasCancelled) {  // P1
  RunningServer server;
  KeptRequests kept;
  server->on("later", kept.handler());
  server.run();
  Client client = server.connect({.verdict_grace = patience});
  std::optional<Result<Reply>> ended;
  const auto number = client.submit(
      "later", {}, [&](Result<Reply> reply) { ended = std::move(reply); }, {.deadline = 1h});
  Request request = kept.take();
  client.cancel(or_exit(number));
  ASSERT_TRUE(eventually([&] { return request.abandoned(); }));
  EXPECT_TRUE(request.decline("not begun"));
  ASSERT_TRUE(process_until(client, [&] { return ended.has_value(); }));
  expect_not_sent(*ended, Cause::cancelled, "not begun");
}

TEST(Decline, WhileTheServerDrainsSendsTheCallToTheSuccessor) {  // P1, P7
  const TemporaryDirectory directory;
  const std::string path = directory / "s";
  Server old = or_exit(Server::listen(path));
  KeptRequests kept;
  old.on("later", kept.handler());
  std::thread old_loop([&] { EXPECT_TRUE(old.run()); });
  Client client = or_exit(Client::connect(path, {.reconnect_deadline = patience}));
  auto call = call_later(client, "later");
  std::optional<Result<Reply>> submitted;
  Client other = or_exit(Client::connect(path, {.reconnect_deadline = patience}));
  ASSERT_TRUE(other.submit("later", {}, [&](Result<Reply> reply) { submitted = std::move(reply); },
                           {.deadline = 1h}));
  Request one = kept.take();
  Request two = kept.take();
  EXPECT_FALSE(old.draining());
  old.stop();
  ASSERT_TRUE(eventually([&] { return old.draining(); }));
  ASSERT_TRUE(eventually([&] { return ::access(path.c_str(), F_OK) != 0; }));
  Server successor = or_exit(Server::listen(path));
  successor.on("later", [](Request request) { request.reply("the successor"); });
  std::thread loop([&] { EXPECT_TRUE(successor.run()); });
  EXPECT_TRUE(one.decline("not begun"));
  EXPECT_TRUE(two.decline("not begun"));
  EXPECT_EQ(or_exit(call.get()).text(), "the successor");
  ASSERT_TRUE(process_until(other, [&] { return submitted.has_value(); }));
  EXPECT_EQ(or_exit(std::move(*submitted)).text(), "the successor");
  old_loop.join();
  successor.stop();
  loop.join();
}

TEST(Decline, IsAnAnswerLikeOthersAndThereIsOnlyOne) {  // P1, P13
  RunningServer server;
  std::vector<bool> answered;
  const auto expect_answered = [&](const Result<void>& result) {
    answered.push_back(!result && result.error().cause() == Cause::answered);
  };
  server->on("reply first", [&](Request request) {
    request.reply("first");
    expect_answered(request.decline("second"));
  });
  server->on("decline first", [&](Request request) {
    request.decline("first");
    expect_answered(request.reply("second"));
    expect_answered(request.decline("third"));
  });
  server->on("throw", [](Request request) {
    request.decline("first");
    throw 1;
  });
  server.run();
  Client client = server.connect();
  EXPECT_EQ(or_exit(client.call("reply first")).text(), "first");
  expect_not_sent(client.call("decline first"), Cause::exhausted, "first");
  expect_not_sent(client.call("throw"), Cause::exhausted, "first");
  EXPECT_EQ(answered, std::vector<bool>(3, true));
}

TEST(Decline, OfAOneWayCallIsSaidToNobody) {
  RunningServer server;
  server->on("tell", [](Request request) { EXPECT_TRUE(request.decline("not now")); });
  server.run();
  Client client = server.connect();
  ASSERT_TRUE(client.send("tell"));
  EXPECT_TRUE(client.call("tincan.ping"));
  EXPECT_EQ(server->counts().calls, 2u);
  EXPECT_EQ(server->counts().declined, 0u);
}

TEST(Decline, AfterTheServersEndDoesNothing) {
  std::optional<Request> request;
  {
    RunningServer server({.drain_deadline = 1ms});
    KeptRequests kept;
    server->on("later", kept.handler());
    server.run();
    Client client = server.connect({.reconnect_deadline = 1ms});
    auto call = call_later(client, "later");
    request.emplace(kept.take());
    server.end();
    EXPECT_EQ(call.get().error().outcome(), Outcome::unknown);
  }
  EXPECT_TRUE(request->decline("too late"));
}

TEST(Decline, ClosesTheDescriptorsThatCameAlong) {  // P12
  RunningServer server({.descriptors_max = 1});
  server->on("take", [](Request request) { request.decline(); });
  server.run();
  Client client = server.connect();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor reading(ends[0]);
  {
    const Descriptor sent(ends[1]);
    EXPECT_FALSE(client.call("take", "", {.descriptors = std::span(&sent, 1)}));
  }
  EXPECT_TRUE(eventually([&] {  // nobody has the other end
    pollfd ready{reading.get(), POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLHUP) != 0;
  }));
}

}  // namespace

}  // namespace tincan::test
