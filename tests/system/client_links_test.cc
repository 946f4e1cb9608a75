// A client whose connections come, end and overlap, seen from a server that does as the test says.

#include <fcntl.h>
#include <sys/socket.h>

#include <thread>

#include "system/polling.h"
#include "system/raw_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

struct Completion {
  std::optional<Result<Reply>> end;
  Client::Completion take() {
    return [this](Result<Reply> reply) { end = std::move(reply); };
  }
};

/// A client whose process() has connected again, and waits for a HELLO.
struct HalfConnected {
  RawServer server;
  std::optional<Client> client;
  std::optional<RawPeer> late;
  Completion submitted;

  HalfConnected() {
    auto [made, first] = server.connect();
    client.emplace(std::move(made));
    EXPECT_GE(client->fd(), 0);
    first.close();
    EXPECT_TRUE(client->submit("submitted", {}, submitted.take(), {.deadline = 1h}));
    EXPECT_TRUE(process_until(*client, [&] { return server.is_waited_for(0ms); }));
    late.emplace(server.accept());
  }
};

TEST(Links, ThatProcessMakesLeaveACallItsOwn) {
  HalfConnected half;
  auto call = std::async(std::launch::async,
                         [&] { return half.client->call("called", "", {.deadline = 1h}); });
  RawPeer used = half.server.greet();
  const RawCall called = next_call(used);
  ASSERT_EQ(called.method, "called");
  half.late->greet();  // now it is one too many
  ASSERT_TRUE(process_until(*half.client, [&] { return is_readable(used.fd(), 0ms); }));
  const RawCall submitted = next_call(used);
  ASSERT_EQ(submitted.method, "submitted");
  answer(used, submitted.id, "one");
  answer(used, called.id, "two");
  ASSERT_TRUE(process_until(*half.client, [&] { return half.submitted.end.has_value(); }));
  EXPECT_EQ(or_exit(std::move(*half.submitted.end)).text(), "one");
  EXPECT_EQ(or_exit(call.get()).text(), "two");
  EXPECT_EQ(half.client->reconnects(), 1u);
  EXPECT_TRUE(half.late->is_closed());
}

TEST(Links, ThatACallMakesLeaveSubmittedOnesTheirs) {
  HalfConnected half;
  auto call = std::async(std::launch::async,
                         [&] { return half.client->call("called", "", {.deadline = 1h}); });
  RawPeer surplus = half.server.accept();
  half.late->greet();
  ASSERT_TRUE(process_until(*half.client, [&] { return half.client->reconnects() == 1; }));
  const RawCall submitted = next_call(*half.late);
  ASSERT_EQ(submitted.method, "submitted");
  surplus.greet();
  const RawCall called = next_call(*half.late);
  ASSERT_EQ(called.method, "called");
  answer(*half.late, called.id, "two");
  EXPECT_EQ(or_exit(call.get()).text(), "two");
  answer(*half.late, submitted.id, "one");
  ASSERT_TRUE(process_until(*half.client, [&] { return half.submitted.end.has_value(); }));
  EXPECT_EQ(or_exit(std::move(*half.submitted.end)).text(), "one");
  EXPECT_EQ(half.client->reconnects(), 1u);
  EXPECT_TRUE(surplus.is_closed());
}

TEST(Links, MadeByACallWakeThePollLoopWithACallToSend) {
  RawServer server;
  auto [client, first] = server.connect();
  ASSERT_GE(client.fd(), 0);
  client.process();
  first.close();
  auto call =
      std::async(std::launch::async, [&] { return client.call("called", "", {.deadline = 1h}); });
  RawPeer second = server.accept();
  Completion submitted;
  ASSERT_TRUE(client.submit("submitted", {}, submitted.take(), {.deadline = 1h}));
  while (is_readable(client.fd(), 0ms)) client.process();
  second.greet();
  answer(second, next_call(second).id);
  ASSERT_TRUE(call.get());
  ASSERT_TRUE(is_readable(client.fd(), patience));
  ASSERT_TRUE(process_until(client, [&] { return is_readable(second.fd(), 0ms); }));
  answer(second, next_call(second).id);
  ASSERT_TRUE(process_until(client, [&] { return submitted.end.has_value(); }));
  EXPECT_TRUE(*submitted.end);
}

TEST(Links, AreNotGivenACallWhoseTimeIsOver) {
  HalfConnected half;
  Completion late;
  ASSERT_TRUE(half.client->submit("late", {}, late.take(), {.deadline = 20ms}));
  const auto over = std::chrono::steady_clock::now() + 20ms;
  ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > over; }));
  half.late->greet();
  ASSERT_TRUE(process_until(*half.client, [&] { return late.end.has_value(); }));
  ASSERT_FALSE(*late.end);
  EXPECT_EQ(late.end->error().outcome(), Outcome::not_sent);
  ASSERT_TRUE(process_until(*half.client, [&] { return half.client->reconnects() == 1; }));
  ASSERT_TRUE(half.client->send("last"));
  EXPECT_EQ(next_call(*half.late).method, "submitted");
  EXPECT_EQ(next_call(*half.late).method, "last");
}

TEST(Links, WhoseServerReadsNoMoreAreReplaced) {
  RawServer server;
  auto [client, first] = server.connect();
  ASSERT_EQ(::shutdown(first.fd(), SHUT_RD), 0);
  auto call =
      std::async(std::launch::async, [&] { return client.call("called", "", {.deadline = 1h}); });
  RawPeer second = server.greet();
  const RawCall called = next_call(second);
  EXPECT_EQ(called.method, "called");
  answer(second, called.id);
  ASSERT_TRUE(call.get());
  EXPECT_EQ(client.reconnects(), 1u);
}

TEST(Links, WhoseServerReadsNoMoreAreReplacedForSubmittedCallsToo) {
  RawServer server;
  auto [client, first] = server.connect();
  ASSERT_GE(client.fd(), 0);
  ASSERT_EQ(::shutdown(first.fd(), SHUT_RD), 0);
  Completion submitted;
  ASSERT_TRUE(client.submit("submitted", {}, submitted.take(), {.deadline = 1h}));
  ASSERT_TRUE(process_until(client, [&] { return server.is_waited_for(0ms); }));
  RawPeer second = server.greet();
  ASSERT_TRUE(process_until(
      client, [&] { return is_readable(second.fd(), 0ms) && client.reconnects() == 1; }));
  answer(second, next_call(second).id);
  ASSERT_TRUE(process_until(client, [&] { return submitted.end.has_value(); }));
  EXPECT_TRUE(*submitted.end);
}

TEST(Links, ThatEndAtOnceAreNotMadeAgainWithoutAPause) {  // P15
  RawServer server;
  auto [client, first] = server.connect();
  first.close();
  std::atomic<bool> finish = false;
  int connections = 0;
  std::thread serving([&] {
    while (!finish) {
      if (!server.is_waited_for(10ms)) continue;
      RawPeer peer = server.greet();
      drain(peer, 0);
      ++connections;
    }
  });
  const auto start = std::chrono::steady_clock::now();
  const auto reply = client.call("called", "", {.deadline = 500ms});
  const auto took = std::chrono::steady_clock::now() - start;
  finish = true;
  serving.join();
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  EXPECT_EQ(reply.error().detail().find("HELLO in 0 s"), std::string::npos)
      << reply.error().explain();
  // Pauses of 1, 2, 4, … 50 ms: of more than 1 ms each, however slow the machine is.
  EXPECT_LT(connections, took / 10ms);
}

TEST(Links, OverAnInheritedDescriptorAreNotReplacedByAStrangersDescriptor) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const int number = ends[0];
  RawPeer peer{Descriptor(ends[1])};
  peer.greet();
  Client client = or_exit(Client::connect("fd:" + std::to_string(number)));
  peer.close();
  for (int i = 0; i < 2; ++i) {
    const auto reply = client.call("called", "", {.deadline = 20s});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
    EXPECT_EQ(reply.error().cause(), Cause::closed);
    if (i > 0) break;
    // The number is somebody else's from here on.
    ASSERT_EQ(::fcntl(number, F_GETFD), -1);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ASSERT_TRUE(ends[0] == number || ends[1] == number);
  }
  Completion submitted;
  ASSERT_TRUE(client.submit("submitted", {}, submitted.take(), {.deadline = 1h}));
  ASSERT_TRUE(process_until(client, [&] { return submitted.end.has_value(); }));
  EXPECT_EQ(submitted.end->error().cause(), Cause::closed);
  const Descriptor strangers[] = {Descriptor(ends[0]), Descriptor(ends[1])};
  EXPECT_NE(::fcntl(ends[0], F_GETFD), -1);
  EXPECT_NE(::fcntl(ends[1], F_GETFD), -1);
  EXPECT_FALSE(is_readable(ends[0], 0ms));
  EXPECT_FALSE(is_readable(ends[1], 0ms));
}

}  // namespace

}  // namespace tincan::test
