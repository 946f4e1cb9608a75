// Each limit that is ours can be set, and what is set counts.

#include <sys/resource.h>

#include "support/process.h"
#include "system/kept_requests.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"
#include "tincan/stream.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

void expect_usage(const ServerOptions& options, std::string_view detail) {
  const TemporaryDirectory directory;
  const auto server = Server::listen(directory / "s", options);
  ASSERT_FALSE(server) << detail;
  EXPECT_EQ(server.error().cause(), Cause::usage);
  EXPECT_EQ(server.error().detail(), detail);
  EXPECT_NE(::access((directory / "s").c_str(), F_OK), 0);
}

TEST(Options, ThatMakeNoSenseAreNamed) {
  expect_usage({.descriptors_max = 254},
               "descriptors_max is over 253, the most that one message can carry (SCM_MAX_FD)");
  expect_usage({.calls_in_flight_max = 0}, "calls_in_flight_max is not in 1 … 65535");
  expect_usage({.frames_per_turn_max = 0}, "frames_per_turn_max is 0: nothing would be taken");
  expect_usage({.request_bytes_step = 0},
               "request_bytes_step is 0: nothing could be counted in it");
  expect_usage({.views_max = 257},
               "views_max is over 256, the most that one connection hands over");
  expect_usage({.accept_rest = 0ms},
               "accept_rest is not over 0: a server without free descriptors would spin");
  const TemporaryDirectory directory;
  const auto listener = Listener::listen(directory / "s", {.accept_rest = -1ms});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().cause(), Cause::usage);
  EXPECT_EQ(listener.error().detail(),
            "accept_rest is not over 0: a loop without free descriptors would spin");
}

TEST(Options, OfAClientThatMakeNoSenseAreNamed) {
  const auto client = Client::connect("/nowhere", {.views_max = 257});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().cause(), Cause::usage);
  EXPECT_EQ(client.error().detail(),
            "views_max is over 256, the most that one connection hands over");
}

TEST(Options, SayHowManyUnreadAnswersStopTheReading) {
  constexpr std::uint16_t calls = 100;
  const std::string large(100'000, 'x');
  RunningServer server({.outgoing_bytes_pause = 2 * calls * large.size()});
  server->on("large", [&](Request request) { request.reply(large); });
  server.run();
  RawPeer greedy(server.path());
  ASSERT_TRUE(greedy.greet());
  for (std::uint16_t i = 0; i < calls; ++i) {
    ASSERT_TRUE(greedy.send(RawPeer::call(i + 1u, i, "large")));
  }
  EXPECT_TRUE(eventually([&] { return server->counts().calls == calls; }));
}

TEST(Options, SayHowMuchIsTakenFromOneConnectionInATurn) {
  constexpr std::uint16_t calls = 10;
  const TemporaryDirectory directory;
  Server server = or_exit(Server::listen(directory / "s", {.frames_per_turn_max = 1}));
  server.on("m", [](Request request) { request.reply(); });
  RawPeer peer(directory / "s");
  ASSERT_TRUE(peer.greet());
  for (std::uint16_t i = 0; i < calls; ++i) {
    ASSERT_TRUE(peer.send(RawPeer::call(i + 1u, i, "m")));
  }
  std::uint64_t before = 0;
  EXPECT_TRUE(eventually([&] {
    server.process();
    const std::uint64_t now = server.counts().calls;
    EXPECT_LE(now, before + 1);
    before = now;
    return now == calls;
  }));
}

/// Keeps the requests of "hold".
struct Holding {
  explicit Holding(const ServerOptions& options) : server(options) {
    server->on("hold", kept.handler());
    server.run();
  }
  KeptRequests kept;
  RunningServer server;
};

TEST(Options, SayHowManyBytesOfRequestsAreNotCounted) {
  Holding holding({.request_bytes_max = 1000, .request_bytes_free = 0});
  Client client = holding.server.connect();
  const auto refused = client.call("hold", std::string(2000, 'x'), {.deadline = 1s});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::exhausted);
  EXPECT_EQ(holding.server->counts().calls, 0u);
}

TEST(Options, SayInWhichStepsBytesOfRequestsAreCounted) {
  constexpr std::uint64_t all = 8'000'000;
  Holding holding(
      {.request_bytes_max = all, .request_bytes_per_uid_max = all, .request_bytes_step = all});
  const std::string payload(100'000, 'x');
  Client one = holding.server.connect();
  auto held = std::async(std::launch::async, [&] { return one.call("hold", payload, {1h}); });
  Request request = holding.kept.take();
  Client other = holding.server.connect();
  const auto refused = other.call("hold", payload, {.deadline = 1s});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::exhausted);
  request.reply();
  EXPECT_TRUE(held.get());
}

/// As late as no call waits that was not told to.
bool is_late(const Request& request) {
  return std::chrono::steady_clock::now() > *request.deadline() + 10 * limits::verdict_grace;
}

TEST(Options, SayHowLongACallWaitsForTheVerdictAfterItsDeadline) {
  Holding holding({});
  Client client = holding.server.connect({.verdict_grace = patience});
  auto call = call_later(client, "hold", {.deadline = 50ms});
  Request first = holding.kept.take();
  ASSERT_TRUE(eventually([&] { return is_late(first); }));
  first.reply("late");
  EXPECT_EQ(or_exit(call.get()).text(), "late");

  std::optional<Result<Reply>> ended;
  ASSERT_TRUE(client.submit("hold", {}, [&](Result<Reply> reply) { ended = std::move(reply); },
                            {.deadline = 50ms}));
  Request second = holding.kept.take();
  ASSERT_TRUE(process_until(client, [&] { return is_late(second); }));
  EXPECT_FALSE(ended);
  second.reply("late");
  ASSERT_TRUE(process_until(client, [&] { return ended.has_value(); }));
  EXPECT_EQ(or_exit(std::move(*ended)).text(), "late");
}

/// What a server logs and does without a free descriptor; in a process of its own.
int run_out_of_descriptors(const std::string& path) {
  std::string said;
  Server server = or_exit(Server::listen(
      path, {.accept_rest = 1h, .log = [&](std::string_view line) { said = line; }}));
  const RawPeer waiting(path);
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 3;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  server.process();
  const auto again = server.deadline();
  std::printf("%s\n", said.c_str());
  std::fflush(stdout);
  return again && *again - std::chrono::steady_clock::now() > 30min ? 0 : 1;
}

TEST(Options, SayHowLongAcceptingRestsAndTheLogSaysWhatHelps) {  // P15
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UBSan looks at addresses through a pipe, for which there is no descriptor";
#endif
  const TemporaryDirectory directory;
  auto child = Process::fork([&] { return run_out_of_descriptors(directory / "s"); });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(child.output(),
            "accepting rests for 3600000 ms: Too many open files; raise the limit of this process "
            "(ulimit -n, now 3)\n");
}

}  // namespace

}  // namespace tincan::test
