// One-way calls are not lost when their sender does not wait (promise 2).

#include <thread>

#include "support/temporary_directory.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "tincan/server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

TEST(OneWayCalls, OfASenderThatHasGoneAreRunWhenThereIsRoomForThem) {  // P2
  const TemporaryDirectory directory;
  Server server = or_exit(Server::listen(directory / "s", {.calls_in_flight_max = 4}));
  std::vector<Request> held;
  server.on("keep", [&](Request request) { held.push_back(std::move(request)); });
  std::uint64_t sent = 0;
  {
    RawPeer peer(directory / "s");
    ASSERT_TRUE(peer.greet());
    const std::string payload(1000, 'x');
    // Until neither the server takes more, nor the kernel.
    while (peer.send(
        RawPeer::call(sent + 1, wire::CallId::no_slot, "keep", payload, wire::flag_one_way),
        MSG_DONTWAIT)) {
      if (++sent % 16 == 0) server.process();
    }
  }
  EXPECT_LT(server.counts().calls, sent);  // more than it takes at once
  std::uint64_t seen = 0;
  EXPECT_TRUE(eventually([&] {
    seen += std::exchange(held, {}).size();
    poll_once(server, 10ms);
    server.process();
    return server.counts().connections == 0;
  }));
  EXPECT_EQ(seen + held.size(), sent);
  EXPECT_EQ(server.counts().breaches, 0u);
}

TEST(OneWayCalls, ThatWaitCostNoCpuAfterTheirSenderHasGone) {  // P5
  const TemporaryDirectory directory;
  Server server = or_exit(Server::listen(directory / "s", {.calls_in_flight_max = 1}));
  std::vector<Request> held;
  server.on("keep", [&](Request request) { held.push_back(std::move(request)); });
  {
    RawPeer peer(directory / "s");
    ASSERT_TRUE(peer.greet());
    for (std::uint64_t i = 1; i <= 5; ++i) {
      ASSERT_TRUE(
          peer.send(RawPeer::call(i, wire::CallId::no_slot, "keep", {}, wire::flag_one_way)));
    }
  }
  ASSERT_TRUE(eventually([&] {
    server.process();
    return held.size() == 2;
  }));
  for (int i = 0; i < 3; ++i) server.process();
  pollfd ready{server.fd(), server.events(), 0};
  EXPECT_EQ(::poll(&ready, 1, 0), 0);
  EXPECT_FALSE(server.deadline());
  held.clear();
  ASSERT_TRUE(eventually([&] {
    server.process();
    held.clear();
    return server.counts().connections == 0;
  }));
  EXPECT_EQ(server.counts().calls, 5u);
}

TEST(OneWayCalls, AreReadThoughTheirSenderLeftAnswersUnread) {  // P2
  const TemporaryDirectory directory;
  Server server = or_exit(Server::listen(directory / "s"));
  int run = 0;
  const std::string large(3'000'000, 'x');
  server.on("large", [&](Request request) { request.reply(large); });
  server.on("count", [&](const Request&) { ++run; });
  {
    RawPeer peer(directory / "s");
    ASSERT_TRUE(peer.greet());
    ASSERT_TRUE(peer.send(RawPeer::call(1, 0, "large")));
    for (std::uint64_t i = 2; i <= 11; ++i) {
      ASSERT_TRUE(
          peer.send(RawPeer::call(i, wire::CallId::no_slot, "count", {}, wire::flag_one_way)));
    }
    ASSERT_TRUE(eventually([&] {
      server.process();
      return server.counts().calls == 1;
    }));
  }
  EXPECT_TRUE(eventually([&] {
    server.process();
    return server.counts().connections == 0;
  }));
  EXPECT_EQ(run, 10);
}

}  // namespace

}  // namespace tincan::test
