// What a handler may do with its request, and what its caller then gets (promise 13).

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include "system/kept_requests.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

void expect_declared(const Result<Reply>& reply, std::string_view detail) {
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::declared);
  EXPECT_EQ(reply.error().cause(), Cause::declared);
  EXPECT_EQ(reply.error().detail(), detail);
}

TEST(Handler, ThatThrowsMakesADeclaredErrorWithItsWords) {  // P13
  RunningServer server;
  server->on("standard", [](Request) { throw std::runtime_error("no such job"); });
  server->on("odd", [](Request) { throw 7; });
  server->on("late", [](Request request) {
    request.reply("first");
    throw std::runtime_error("after the answer");
  });
  server.run();
  Client client = server.connect();
  expect_declared(client.call("standard"), "the handler threw: no such job");
  expect_declared(client.call("odd"), "the handler threw: something that is no std::exception");
  EXPECT_EQ(or_exit(client.call("late")).text(), "first");
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST(Handler, ThatDropsItsRequestMakesADeclaredError) {  // P13
  RunningServer server;
  KeptRequests kept;
  server->on("at once", [](Request) {});
  server->on("later", kept.handler());
  server.run();
  Client client = server.connect();
  expect_declared(client.call("at once"), "the handler dropped the request unanswered");
  auto later = call_later(client, "later");
  {
    const Request dropped = kept.take();
  }
  expect_declared(later.get(), "the handler dropped the request unanswered");
}

TEST(Handler, ThatAnswersTwiceIsToldSoAndTheFirstAnswerCounts) {  // P1, P13
  RunningServer server;
  KeptRequests kept;
  std::atomic<int> refused = 0;
  const auto is_answered = [](const Result<void>& result) {
    return !result && result.error().cause() == Cause::answered;
  };
  server->on("twice", [&](Request request) {
    request.reply("first");
    refused += is_answered(request.reply("second"));
    refused += is_answered(request.fail("third"));
  });
  server->on("failure first", [&](Request request) {
    request.fail("first", 5);
    refused += is_answered(request.reply("second"));
  });
  server->on("later", kept.handler());
  server.run();
  Client client = server.connect();
  EXPECT_EQ(or_exit(client.call("twice")).text(), "first");
  EXPECT_EQ(client.call("failure first").error().code(), 5);
  auto later = call_later(client, "later");
  Request request = kept.take();
  EXPECT_TRUE(request.reply("first"));
  refused += is_answered(request.reply("second"));
  EXPECT_EQ(later.get()->text(), "first");
  EXPECT_EQ(refused, 4);
}

TEST(Handler, MayAnswerFromAnyThreadInAnyOrder) {
  RunningServer server;
  KeptRequests kept;
  server->on("later", kept.handler());
  server.run();
  Client client = server.connect();
  std::vector<std::future<Result<Reply>>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(call_later(client, "later"));
  ASSERT_TRUE(eventually([&] { return kept.count() == 8; }));
  std::vector<Request> requests;
  for (int i = 0; i < 8; ++i) requests.push_back(kept.take());
  std::vector<std::thread> threads;
  for (int i = 7; i >= 0; --i) {
    threads.emplace_back([request = std::move(requests[static_cast<std::size_t>(i)])]() mutable {
      request.reply("answered");
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& call : calls) EXPECT_EQ(call.get()->text(), "answered");
}

TEST(Handler, MayAnswerOneRequestWhileItHandlesAnother) {
  RunningServer server;
  std::vector<Request> waiting;
  server->on("wait", [&](Request request) { waiting.push_back(std::move(request)); });
  server->on("wake", [&](Request request) {
    for (Request& one : waiting) one.reply(request.text());
    waiting.clear();
    request.reply("woke");
  });
  server.run();
  Client client = server.connect();
  Client other = server.connect();
  auto waiter = call_later(other, "wait");
  ASSERT_TRUE(eventually([&] { return server->counts().calls == 1; }));
  EXPECT_EQ(or_exit(client.call("wake", "up")).text(), "woke");
  EXPECT_EQ(waiter.get()->text(), "up");
}

TEST(Request, OutlivesItsConnection) {
  RunningServer server;
  KeptRequests kept;
  server->on("later", kept.handler());
  server.run();
  {
    Client client = server.connect();
    ASSERT_TRUE(client.submit("later", bytes_of("kept"), [](Result<Reply>) { FAIL(); }));
    ASSERT_TRUE(eventually([&] { return kept.count() == 1; }));
  }
  Request request = kept.take();
  ASSERT_TRUE(eventually([&] { return request.abandoned(); }));
  EXPECT_EQ(request.text(), "kept");
  EXPECT_EQ(request.method(), "later");
  EXPECT_TRUE(request.reply("into the void"));
  ASSERT_TRUE(eventually([&] { return server->counts().undeliverable == 1; }));
  EXPECT_EQ(server->counts().cancelled, 1u);
}

TEST(Request, OutlivesItsServer) {
  std::optional<Request> request;
  std::optional<Request> dropped;
  {
    RunningServer server({.drain_deadline = 1ms});
    KeptRequests kept;
    server->on("later", kept.handler());
    server.run();
    Client client = server.connect({.reconnect_deadline = 1ms});
    auto first = call_later(client, "later");
    auto second = call_later(client, "later");
    request.emplace(kept.take());
    dropped.emplace(kept.take());
    server.end();
    EXPECT_EQ(first.get().error().outcome(), Outcome::unknown);
    EXPECT_EQ(second.get().error().outcome(), Outcome::unknown);
  }
  EXPECT_TRUE(request->abandoned());
  EXPECT_EQ(request->text(), "later");
  EXPECT_EQ(request->peer().uid(), geteuid());
  EXPECT_TRUE(request->reply("into the void"));
  request.reset();
  dropped.reset();
}

TEST(Request, HeldByAHandlerThatGoesWithItsServerIsFreed) {
  RunningServer server({.drain_deadline = 1ms});
  const auto held = std::make_shared<std::vector<Request>>();
  server->on("hold", [held](Request request) { held->push_back(std::move(request)); });
  server.run();
  Client client = server.connect({.reconnect_deadline = 1ms});
  auto call = call_later(client, "hold");
  ASSERT_TRUE(eventually([&] { return server->counts().calls == 1; }));
  server.end();
  EXPECT_FALSE(call.get());
}

TEST(Request, KnowsWhenItsCallerHasStoppedWaiting) {
  RunningServer server;
  KeptRequests kept;
  server->on("later", kept.handler());
  server.run();
  Client client = server.connect();

  // It ran out of time.
  auto timed = call_later(client, "later", {.deadline = 50ms});
  Request late = kept.take();
  ASSERT_TRUE(late.deadline());
  EXPECT_LE(*late.deadline(), std::chrono::steady_clock::now() + 50ms);
  EXPECT_EQ(timed.get().error().cause(), Cause::deadline);
  EXPECT_TRUE(late.abandoned());

  // It gave the call up.
  std::optional<Failure> ended;
  const auto number = client.submit(
      "later", bytes_of(""), [&](Result<Reply> reply) { ended = reply.error(); }, {.deadline = 1h});
  Request cancelled = kept.take();
  EXPECT_FALSE(cancelled.abandoned());
  client.cancel(*number);
  ASSERT_TRUE(eventually([&] { return cancelled.abandoned(); }));
  ASSERT_TRUE(process_until(client, [&] { return ended.has_value(); }));
  EXPECT_EQ(ended->cause(), Cause::cancelled);
  EXPECT_EQ(ended->outcome(), Outcome::unknown);
  EXPECT_EQ(server->counts().cancelled, 2u);

  // Answers that nobody waits for are taken and dropped; the connection goes on.
  EXPECT_TRUE(late.reply("late"));
  EXPECT_TRUE(cancelled.fail("late"));
  EXPECT_EQ(or_exit(client.call("tincan.ping", "still there")).text(), "still there");
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST(Handler, OfAOneWayCallAnswersNobody) {
  RunningServer server;
  std::promise<std::string> seen;
  server->on("tell", [&](Request request) {
    EXPECT_TRUE(request.one_way());
    EXPECT_TRUE(request.reply("nobody listens"));
    seen.set_value(std::string(request.text()));
  });
  server->on("throw", [](Request) { throw 1; });
  server.run();
  Client client = server.connect();
  ASSERT_TRUE(client.send("tell", "news"));
  EXPECT_EQ(seen.get_future().get(), "news");
  ASSERT_TRUE(client.send("throw"));
  ASSERT_TRUE(client.send("no such method"));
  EXPECT_TRUE(client.call("tincan.ping"));
  EXPECT_EQ(client.reconnects(), 0u);
}

}  // namespace

}  // namespace tincan::test
