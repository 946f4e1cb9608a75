// Client and server inside an event loop of the application's own: fd(), deadline(), process().

#include <thread>

#include "support/temporary_directory.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "tincan/server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

bool is_readable(int fd) {
  pollfd ready{fd, POLLIN, 0};
  return ::poll(&ready, 1, 0) == 1;
}

/// A server and its client's connecting, driven from one thread.
class PollLoop : public ::testing::Test {
 protected:
  explicit PollLoop(const ServerOptions& options = {})
      : server_(or_exit(Server::listen(directory_ / "s", options))) {}

  /// connect() waits for the server's HELLO, so it needs somebody to serve it meanwhile; a client
  /// that has been connected once connects again without waiting.
  Client connect(const ClientOptions& options = {}) {
    std::optional<Result<Client>> made;
    std::thread connecting([&] { made = Client::connect(directory_ / "s", options); });
    EXPECT_TRUE(eventually([&] {
      server_.process();
      return server_.counts().connections > connected_;
    }));
    ++connected_;
    connecting.join();
    return or_exit(std::move(*made));
  }

  /// Serves both sides from one poll(2) until `condition` holds.
  template <class Condition>
  bool run_until(Client& client, Condition condition) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      pollfd ready[2] = {{server_.fd(), server_.events(), 0}, {client.fd(), client.events(), 0}};
      ::poll(ready, 2, 10);
      server_.process();
      client.process();
    }
    return true;
  }

  TemporaryDirectory directory_;
  Server server_;
  std::uint64_t connected_ = 0;
};

TEST_F(PollLoop, ServesItsClientFromTheSameThread) {
  server_.on("greet",
             [](Request request) { request.reply("hello " + std::string(request.text())); });
  Client client = connect();
  std::string answer;
  bool in_submit = true;
  ASSERT_TRUE(client.submit("greet", bytes_of("world"), [&](Result<Reply> reply) {
    EXPECT_FALSE(in_submit);
    answer = or_exit(std::move(reply)).text();
  }));
  in_submit = false;
  ASSERT_TRUE(run_until(client, [&] { return !answer.empty(); }));
  EXPECT_EQ(answer, "hello world");
  EXPECT_EQ(server_.counts().calls, 1u);
}

TEST_F(PollLoop, KeepsOneDescriptorAndNeedsNoDeadlineWhileIdle) {
  Client client = connect();
  const int fd = client.fd();
  ASSERT_GE(fd, 0);
  client.process();
  EXPECT_FALSE(is_readable(fd));
  EXPECT_FALSE(client.deadline());
  EXPECT_EQ(client.fd(), fd);
  server_.process();
  EXPECT_FALSE(is_readable(server_.fd()));
  EXPECT_FALSE(server_.deadline());
}

TEST_F(PollLoop, IsWokenByASubmitThatShortensTheDeadline) {
  Client client = connect();
  ASSERT_GE(client.fd(), 0);
  client.process();
  const auto nothing = [](const Result<Reply>&) {};
  ASSERT_TRUE(client.submit("tincan.ping", {}, nothing, {.deadline = 1h}));
  EXPECT_TRUE(is_readable(client.fd()));
  client.process();
  EXPECT_FALSE(is_readable(client.fd()));
  const auto far = client.deadline();
  ASSERT_TRUE(client.submit("tincan.ping", {}, nothing, {.deadline = 1s}));
  EXPECT_TRUE(is_readable(client.fd()));
  ASSERT_TRUE(far && client.deadline());
  EXPECT_LT(*client.deadline(), *far);
}

TEST_F(PollLoop, RunsEachCompletionOnceAndLetsItSubmitMore) {
  Client client = connect();
  int completions = 0;
  std::function<void(Result<Reply>)> next = [&](const Result<Reply>& reply) {
    EXPECT_TRUE(reply);
    if (++completions == 50) return;
    EXPECT_TRUE(client.submit("tincan.ping", {}, [&](Result<Reply> r) { next(std::move(r)); }));
  };
  ASSERT_TRUE(client.submit("tincan.ping", {}, [&](Result<Reply> r) { next(std::move(r)); }));
  ASSERT_TRUE(run_until(client, [&] { return completions == 50; }));
  client.process();
  EXPECT_EQ(completions, 50);
}

TEST_F(PollLoop, CompletesACancelledCallOnce) {
  std::optional<Request> kept;
  server_.on("keep", [&](Request request) { kept = std::move(request); });
  Client client = connect();
  std::vector<Failure> ends;
  const auto end = [&](Result<Reply> reply) { ends.push_back(reply.error()); };
  const auto number = client.submit("keep", {}, end, {.deadline = 1h});
  ASSERT_TRUE(run_until(client, [&] { return kept.has_value(); }));
  client.cancel(*number);
  client.cancel(*number);
  EXPECT_TRUE(ends.empty());  // only process() completes
  ASSERT_TRUE(run_until(client, [&] { return !ends.empty(); }));
  EXPECT_EQ(ends[0].cause(), Cause::cancelled);
  EXPECT_TRUE(kept->abandoned());
  client.cancel(*number);
  client.cancel(12345);
  kept->reply("late");
  int answered = 0;
  ASSERT_TRUE(client.submit("tincan.ping", {}, [&](const Result<Reply>&) { ++answered; }));
  ASSERT_TRUE(run_until(client, [&] { return answered == 1; }));
  EXPECT_EQ(ends.size(), 1u);
}

TEST_F(PollLoop, DestroysTheCompletionsOfAClientThatGoesUnrun) {
  server_.on("keep", [held = std::make_shared<std::vector<Request>>()](Request request) {
    held->push_back(std::move(request));
  });
  const auto witness = std::make_shared<int>(0);
  {
    Client client = connect();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(client.submit("keep", {}, [witness](const Result<Reply>&) { ++*witness; }));
    }
    client.process();
    EXPECT_EQ(witness.use_count(), 6);
  }
  EXPECT_EQ(witness.use_count(), 1);
  EXPECT_EQ(*witness, 0);
}

TEST_F(PollLoop, ConnectsAgainWithoutWaiting) {
  Client client = connect();
  int answered = 0;
  const auto count = [&](const Result<Reply>& reply) { answered += reply.has_value(); };
  ASSERT_TRUE(client.submit("tincan.ping", {}, count));
  ASSERT_TRUE(run_until(client, [&] { return answered == 1; }));
  const int fd = client.fd();
  server_ = or_exit(Server::listen(directory_ / "other"));  // the old one has gone
  server_ = or_exit(Server::listen(directory_ / "s"));
  // The new server is driven by this very thread: whoever waited for its HELLO would hang.
  ASSERT_TRUE(client.submit("tincan.ping", {}, count));
  ASSERT_TRUE(run_until(client, [&] { return answered == 2; }));
  EXPECT_EQ(client.reconnects(), 1u);
  EXPECT_EQ(client.fd(), fd);
}

class BusyPollLoop : public PollLoop {};

TEST_F(BusyPollLoop, ReturnsFromProcessThoughThereIsMoreToDo) {
  std::vector<RawPeer> peers;
  for (std::uint64_t i = 0; i < 600; ++i) {
    peers.emplace_back(directory_ / "s");
    peers.back().greet();
  }
  // A turn accepts a bounded number.
  server_.process();
  EXPECT_LT(server_.counts().accepted, 600u);
  EXPECT_TRUE(is_readable(server_.fd()));
  EXPECT_TRUE(eventually([&] {
    server_.process();
    return server_.counts().accepted == 600u;
  }));
}

TEST_F(BusyPollLoop, TakesABoundedNumberOfCallsFromOneConnectionBeforeTheNext) {  // P5
  RawPeer greedy(directory_ / "s");
  RawPeer modest(directory_ / "s");
  ASSERT_TRUE(greedy.greet() && modest.greet());
  ASSERT_TRUE(eventually([&] {
    server_.process();
    return server_.counts().connections == 2;
  }));
  constexpr std::uint64_t calls = 2000;
  RawPeer::Bytes bytes;
  for (std::uint64_t i = 1; i <= calls; ++i) {
    const auto call =
        RawPeer::call(i, wire::CallId::no_slot, "nobody.listens", {}, wire::flag_one_way);
    bytes.insert(bytes.end(), call.begin(), call.end());
  }
  const auto ping = RawPeer::call(calls + 1, 0, "tincan.ping");
  bytes.insert(bytes.end(), ping.begin(), ping.end());
  ASSERT_TRUE(greedy.send(bytes));
  ASSERT_TRUE(modest.send(RawPeer::call(1, 0, "tincan.ping")));
  // The modest one is answered in a turn in which the greedy one is not through yet.
  int turns = 0;
  while (server_.counts().replies == 0) {
    server_.process();
    ASSERT_LT(++turns, 100);
  }
  EXPECT_EQ(modest.read(wire::Kind::reply)->header.id,
            (wire::CallId{.slot = 0, .sequence = 1}.value()));
  EXPECT_TRUE(server_.deadline());  // there is more to do, though nothing is readable
  ASSERT_TRUE(eventually([&] {
    server_.process();
    return server_.counts().replies == 2;
  }));
  server_.process();
  EXPECT_FALSE(server_.deadline());
}

TEST_F(PollLoop, CountsAnAnswerThatItsOwnHandlerMakesTooLate) {  // P21
  std::optional<Request> held;
  server_.on("hold", [&](Request request) { held = std::move(request); });
  server_.on("answer", [&](Request request) {
    held->reply("nobody is there");
    request.reply();
  });
  {
    RawPeer gone(directory_ / "s");
    ASSERT_TRUE(gone.greet());
    ASSERT_TRUE(gone.send(RawPeer::call(1, 0, "hold")));
    ASSERT_TRUE(eventually([&] {
      server_.process();
      return held.has_value();
    }));
  }
  ASSERT_TRUE(eventually([&] {
    server_.process();
    return server_.counts().connections == 0;
  }));
  RawPeer other(directory_ / "s");
  ASSERT_TRUE(other.greet());
  ASSERT_TRUE(other.send(RawPeer::call(1, 0, "answer")));
  ASSERT_TRUE(eventually([&] {
    server_.process();
    return server_.counts().replies == 1;
  }));
  EXPECT_EQ(server_.counts().undeliverable, 1u);
}

TEST_F(PollLoop, TellsWhoHasNotGreetedYetThatNoCallWasTaken) {  // P1
  RawPeer early(directory_ / "s");
  ASSERT_TRUE(eventually([&] {
    server_.process();
    return server_.counts().connections == 1;
  }));
  // Its HELLO and first call have crossed the drain.
  server_.stop();
  while (server_.process()) poll_once(server_);
  ASSERT_TRUE(early.read(wire::Kind::hello));
  const auto drain = early.read();
  ASSERT_TRUE(drain);
  EXPECT_EQ(drain->header.kind, wire::Kind::drain);
  EXPECT_EQ(drain->header.id, 0u);
  EXPECT_TRUE(early.is_closed());
}

class EndlessPollLoop : public PollLoop {
 protected:
  EndlessPollLoop()
      : PollLoop({.handshake_deadline = std::chrono::milliseconds::max(),
                  .drain_deadline = std::chrono::milliseconds::max(),
                  .slow_handler = std::chrono::milliseconds::max()}) {}
};

TEST_F(EndlessPollLoop, WaitsForEverWhereTheOptionsSaySo) {
  std::optional<Request> held;
  server_.on("hold", [&](Request request) { held = std::move(request); });
  RawPeer peer(directory_ / "s");
  ASSERT_TRUE(eventually([&] {
    server_.process();
    return server_.counts().connections == 1;
  }));
  server_.process();
  ASSERT_TRUE(peer.greet());
  ASSERT_TRUE(peer.send(RawPeer::call(1, 0, "hold")));
  ASSERT_TRUE(eventually([&] {
    server_.process();
    return held.has_value();
  }));
  server_.stop();
  EXPECT_TRUE(server_.process());
  EXPECT_TRUE(server_.process());
  held->reply("in the end");
  while (server_.process()) poll_once(server_);
  EXPECT_TRUE(peer.read(wire::Kind::reply));
}

class ImpatientPollLoop : public PollLoop {
 protected:
  ImpatientPollLoop() : PollLoop({.handshake_deadline = 30ms}) {}
};

TEST_F(ImpatientPollLoop, HasADeadlineForWhoDoesNotGreet) {
  EXPECT_FALSE(server_.deadline());
  RawPeer silent(directory_ / "s");
  server_.process();
  ASSERT_TRUE(server_.deadline());
  EXPECT_TRUE(eventually([&] {
    poll_once(server_);
    server_.process();
    return server_.counts().connections == 0;
  }));
  EXPECT_TRUE(silent.is_closed());
  EXPECT_FALSE(server_.deadline());
}

}  // namespace

}  // namespace tincan::test
