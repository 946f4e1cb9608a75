// What a server tells its operator about its handlers.

#include <algorithm>
#include <mutex>
#include <thread>

#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

/// Lines that a server logs.
class Log {
 public:
  std::function<void(std::string_view)> sink() {
    return [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
  }
  [[nodiscard]] std::size_t count(std::string_view text) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(
        lines_, [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// Holds the loop, as a slow handler does.
void hold(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

TEST(Server, GoesOnThoughItsLogThrows) {
  RunningServer server({.log = [](std::string_view) { throw "disk full"; }});
  server.run();
  Client client = server.connect();
  RawPeer rude(server.path());
  ASSERT_TRUE(rude.send(RawPeer::Bytes(100, std::byte{'x'})));
  EXPECT_TRUE(rude.is_closed());
  EXPECT_TRUE(client.call("tincan.ping"));
  EXPECT_EQ(client.reconnects(), 0u);
  EXPECT_EQ(server->counts().breaches, 1u);
}

TEST(Server, NamesAHandlerThatHoldsItsLoopInTheLog) {
  Log log;
  RunningServer server({.slow_handler = 20ms, .log = log.sink()});
  server->on("slow", [](Request request) {
    hold(30ms);
    request.reply();
  });
  server.run();
  Client client = server.connect();
  ASSERT_TRUE(client.call("slow"));
  EXPECT_TRUE(eventually([&] { return log.count("the handler of slow held its loop") == 1; }));
  // Also when another call stands right behind it, which is read in the same turn.
  RawPeer peer(server.path());
  ASSERT_TRUE(peer.greet());
  auto both = RawPeer::call(1, 0, "slow");
  const auto second = RawPeer::call(2, 1, "tincan.ping");
  both.insert(both.end(), second.begin(), second.end());
  ASSERT_TRUE(peer.send(both));
  EXPECT_TRUE(eventually([&] { return log.count("the handler of slow held its loop") == 2; }));
  int ended = 0;
  const auto count = [&](const Result<Reply>&) { ++ended; };
  ASSERT_TRUE(client.submit("tincan.ping", {}, count));
  ASSERT_TRUE(client.submit("slow", {}, count));
  ASSERT_TRUE(client.submit("tincan.ping", {}, count));
  ASSERT_TRUE(process_until(client, [&] { return ended == 3; }));
  EXPECT_TRUE(eventually([&] { return log.count("the handler of slow held its loop") == 3; }));
  EXPECT_EQ(log.count("tincan.ping"), 0u);
}

TEST(Server, DoesNotBlameAHandlerForTheTimeItsLoopSleeps) {
  Log log;
  RunningServer server({.incoming_bytes_max = 1000, .slow_handler = 50ms, .log = log.sink()});
  std::mutex mutex;
  std::vector<Request> held;
  server->on("hold", [&](Request request) {
    const std::lock_guard lock(mutex);
    held.push_back(std::move(request));
  });
  server.run();
  RawPeer peer(server.path());
  ASSERT_TRUE(peer.greet());
  // Both arrive together. The second waits undecoded while the first is held; it is run when an
  // answer from outside the loop makes room, and then the loop sleeps.
  auto both = RawPeer::call(1, 0, "hold", std::string(1001, 'x'));
  const auto second = RawPeer::call(2, 1, "hold");
  both.insert(both.end(), second.begin(), second.end());
  ASSERT_TRUE(peer.send(both));
  ASSERT_TRUE(eventually([&] { return server->counts().calls == 1; }));
  {
    const std::lock_guard lock(mutex);
    held.front().reply();
    held.clear();
  }
  ASSERT_TRUE(eventually([&] { return server->counts().calls == 2; }));
  const auto later = std::chrono::steady_clock::now() + 80ms;
  ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > later; }));
  ASSERT_TRUE(peer.send(RawPeer::call(3, 0, "tincan.ping")));
  const auto pong = [&] { return peer.read(wire::Kind::reply)->header.id; };
  EXPECT_EQ(wire::CallId::of(pong()).sequence, 1u);
  EXPECT_EQ(wire::CallId::of(pong()).sequence, 3u);
  EXPECT_EQ(log.count("held its loop"), 0u);
}

TEST(Server, CountsTheLinesAboutPeersThatItDoesNotWrite) {
  Log log;
  RunningServer server({.allow = {.uids = {::geteuid() + 1}}, .log = log.sink()});
  server.run();
  for (int i = 0; i < 20; ++i) {
    RawPeer refused(server.path());
    EXPECT_TRUE(refused.is_closed());
  }
  EXPECT_LE(log.count("refused: uid"), 11u);  // unless a second has passed meanwhile
  EXPECT_TRUE(eventually([&] {
    RawPeer refused(server.path());
    EXPECT_TRUE(refused.is_closed());
    return log.count("lines like it before)") > 0;
  }));
}

}  // namespace

}  // namespace tincan::test
