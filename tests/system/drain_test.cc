// How a server stops: calls under way are answered, others are safe to send elsewhere (promise 7).

#include <signal.h>

#include <future>
#include <thread>

#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"
#include "system/server_process.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

TEST(Drain, AnswersTheCallsUnderWayBeforeRunReturns) {
  RunningServer server;
  std::promise<Request> arrived;
  server->on("wait", [&](Request request) { arrived.set_value(std::move(request)); });
  server.run(2);
  Client client = server.connect();
  auto call =
      std::async(std::launch::async, [&] { return client.call("wait", "", {.deadline = 1h}); });
  Request request = arrived.get_future().get();
  server->stop();
  // The path is free at once, for a successor.
  EXPECT_TRUE(eventually([&] { return ::access(server.path().c_str(), F_OK) != 0; }));
  request.reply("answered");
  EXPECT_EQ(call.get()->text(), "answered");
  server.join();
}

TEST(Drain, LeavesNewCallsUnsentAndTheSuccessorAnswersThem) {  // P1, P7
  const TemporaryDirectory directory;
  const std::string path = directory / "s";
  Server old = or_exit(Server::listen(path));
  std::promise<Request> arrived;
  old.on("who", [&](Request request) { arrived.set_value(std::move(request)); });
  std::thread old_loop([&] { EXPECT_TRUE(old.run()); });
  Client client = or_exit(Client::connect(path));
  auto first = std::async(std::launch::async, [&] { return client.call("who", "", {1h}); });
  Request request = arrived.get_future().get();
  old.stop();
  ASSERT_TRUE(eventually([&] { return ::access(path.c_str(), F_OK) != 0; }));

  Server successor = or_exit(Server::listen(path));
  successor.on("who", [](Request other) { other.reply("the successor"); });
  std::thread loop([&] { EXPECT_TRUE(successor.run()); });
  // The old server still owes an answer on the old connection; this one goes round it.
  EXPECT_EQ(or_exit(client.call("who")).text(), "the successor");
  EXPECT_EQ(client.reconnects(), 1u);
  request.reply("the old one");
  EXPECT_EQ(first.get()->text(), "the old one");
  old_loop.join();
  successor.stop();
  loop.join();
}

TEST(Drain, WithoutASuccessorLeavesNewCallsNotSent) {  // P1
  RunningServer server;
  std::promise<Request> arrived;
  server->on("wait", [&](Request request) { arrived.set_value(std::move(request)); });
  server.run();
  Client client = server.connect({.reconnect_deadline = 1ms});
  std::optional<Result<Reply>> answer;
  const auto take = [&](Result<Reply> reply) { answer = std::move(reply); };
  ASSERT_TRUE(client.submit("wait", {}, take, {.deadline = 1h}));
  Request request = arrived.get_future().get();
  server->stop();
  ASSERT_TRUE(eventually([&] { return ::access(server.path().c_str(), F_OK) != 0; }));
  const auto refused = client.call("wait");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().outcome(), Outcome::not_sent);
  EXPECT_EQ(refused.error().cause(), Cause::no_server);
  request.reply("in time");
  ASSERT_TRUE(process_until(client, [&] { return answer.has_value(); }));
  EXPECT_EQ((*answer)->text(), "in time");
}

TEST(Drain, OfAHandlerThatNeverAnswersEndsAtItsDeadline) {  // P3
  RunningServer server({.drain_deadline = 50ms});
  std::promise<Request> arrived;
  server->on("never", [&](Request request) { arrived.set_value(std::move(request)); });
  server.run(2);
  Client client = server.connect({.reconnect_deadline = 1ms});
  auto call = std::async(std::launch::async, [&] { return client.call("never", "", {1h}); });
  const Request request = arrived.get_future().get();
  server->stop();
  server.join();
  const auto ended = call.get();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().outcome(), Outcome::unknown);
  EXPECT_EQ(ended.error().cause(), Cause::closed);
}

TEST(Drain, ClosesThoseWhoNeverGreetedAndThoseWhoWaitInTheBacklog) {
  RunningServer server;
  RawPeer silent(server.path());
  RawPeer in_the_backlog(server.path());
  server->stop();
  server.run();
  EXPECT_TRUE(silent.is_closed());
  EXPECT_TRUE(in_the_backlog.is_closed());
}

TEST(Drain, TellsThePeerHowManyCallsWereTaken) {
  RunningServer server;
  std::promise<Request> arrived;
  server->on("wait", [&](Request request) { arrived.set_value(std::move(request)); });
  server.run();
  RawPeer peer(server.path());
  ASSERT_TRUE(peer.greet());
  ASSERT_TRUE(peer.send(RawPeer::call(1, 0, "wait")));
  Request request = arrived.get_future().get();
  server->stop();
  const auto drain = peer.read(wire::Kind::drain);
  ASSERT_TRUE(drain);
  EXPECT_EQ(drain->header.id, 1u);
  // Crossed on the way: not run, and no breach.
  ASSERT_TRUE(peer.send(RawPeer::call(2, 1, "wait")));
  request.reply("the one that was taken");
  const auto reply = peer.read();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->payload(), "the one that was taken");
  EXPECT_TRUE(peer.is_closed());
}

TEST(Stop, WorksBeforeRunAndTwiceAndFromAHandler) {
  RunningServer before;
  before->stop();
  before->stop();
  before.run(3);
  before.join();

  RunningServer within;
  within->on("stop", [&](Request request) {
    within->stop();
    within->stop();
    request.reply("stopping");
  });
  within.run(3);
  Client client = within.connect();
  EXPECT_EQ(or_exit(client.call("stop")).text(), "stopping");
  within.join();
  EXPECT_TRUE(within->run());  // it has ended: nothing to serve
}

TEST(Stop, EndsAnEmbeddedServerThroughItsPollLoop) {
  RunningServer server;
  bool more = true;
  while (more) {
    server->stop();
    poll_once(*server.operator->());
    more = server->process();
  }
  EXPECT_FALSE(server->process());
  EXPECT_NE(::access(server.path().c_str(), F_OK), 0);
}

Server* stopped_by_signal = nullptr;

TEST(Stop, MayBeCalledInASignalHandler) {
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server& served) {
    stopped_by_signal = &served;
    ::signal(SIGTERM, [](int) { stopped_by_signal->stop(); });
    served.on("slow", [](Request request) {
      ::raise(SIGTERM);  // arrives in the middle of a call
      request.reply("answered");
    });
  });
  Client client = or_exit(Client::connect(directory / "s"));
  EXPECT_EQ(or_exit(client.call("slow")).text(), "answered");
  EXPECT_EQ(server.wait(), 0) << server.output();
}

}  // namespace

}  // namespace tincan::test
