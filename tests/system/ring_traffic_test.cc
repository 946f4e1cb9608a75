// All that a connection carries, over rings and while it moves to them and back.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "support/rounds.h"
#include "system/polling.h"
#include "system/ring_client.h"
#include "unit/wire/frames.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;
using wire::test::pattern;

/// How a test's connections are: in their rings for good, or always on the way, from a ring to a
/// larger one too.
struct Pace {
  const char* name;
  std::chrono::milliseconds ring_idle;
  std::uint32_t after_fills;
};

class RingTraffic : public Rings, public ::testing::WithParamInterface<Pace> {
 protected:
  RingTraffic()
      : Rings(ServerOptions{.descriptors_max = 8,
                            .ring_grants_per_second = 1'000'000,
                            .ring_idle = GetParam().ring_idle}) {}
  static ClientOptions options() {
    ClientOptions options = eager();
    options.ring_after_fills = GetParam().after_fills;
    options.ring_bytes_max = limits::ring_bytes_max;
    return options;
  }
  static ClientOptions with_descriptors() {
    ClientOptions with = options();
    with.descriptors_max = 8;
    return with;
  }
  /// Until the server has taken the ring back, now and then, if it is so hasty.
  void rest(int round) {
    if (round % 20 != 0 || GetParam().ring_idle > 1s) return;
    EXPECT_TRUE(eventually([&] { return server_->counts().rings == 0; }));
  }
};

INSTANTIATE_TEST_SUITE_P(, RingTraffic,
                         ::testing::Values(Pace{"staying", 1h, 1'000'000},
                                           Pace{"moving", 1ms, 1'000'000}, Pace{"growing", 3ms, 1}),
                         [](const auto& one) { return std::string(one.param.name); });

std::vector<Descriptor> files(std::uint64_t first, std::size_t count) {
  std::vector<Descriptor> made;
  for (std::uint64_t i = first; i < first + count; ++i) {
    made.emplace_back(::memfd_create("numbered", MFD_CLOEXEC));
    EXPECT_EQ(::pwrite(made.back().get(), &i, sizeof i, 0), static_cast<ssize_t>(sizeof i));
  }
  return made;
}

bool are_files(const std::vector<Descriptor>& those, std::uint64_t first, std::size_t count) {
  if (those.size() != count) return false;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t number = 0;
    if (::pread(those[i].get(), &number, sizeof number, 0) != sizeof number) return false;
    if (number != first + i) return false;
  }
  return true;
}

TEST_P(RingTraffic, HasTheDescriptorsOfEachCallAndReplyWithIt) {  // P12
  server_.run();
  Client client = server_.connect(with_descriptors());
  ASSERT_TRUE(reach_ring(client));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < 200; i += thread_sanitizer_slowness) {
        const std::size_t count = (i + thread) % 4;
        const auto sent = files(thread * 1000 + i, count);
        const std::string text = pattern(i * 700, static_cast<std::uint32_t>(thread));
        auto reply = client.call("echo", text, {.deadline = patience, .descriptors = sent});
        wrong += !reply || reply->text() != text ||
                 !are_files(reply->descriptors(), thread * 1000 + i, count);
        if (thread == 0) rest(static_cast<int>(i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST_P(RingTraffic, IsSharedByManyThreadsAndManyLoops) {  // P2
  server_.run(3);
  std::atomic<int> wrong = 0;
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(server_.connect(options()));
  std::vector<std::thread> threads;
  for (std::uint32_t thread = 0; thread < 64; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint32_t i = 0; i < 40; i += thread_sanitizer_slowness) {
        const std::string text = pattern((i * 37 + thread) % 40 * 3000, thread * 100 + i);
        wrong += reply_to(clients[thread % clients.size()], text) != text;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  for (const Client& client : clients) EXPECT_EQ(client.reconnects(), 0u);
}

TEST_P(RingTraffic, OfLargePayloadsGoesBothWaysAtOnce) {
  server_.run();
  Client client = server_.connect(options());
  ASSERT_TRUE(reach_ring(client));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string text = pattern(6'000'000 / thread_sanitizer_slowness, thread);
      for (int i = 0; i < 4; ++i) wrong += reply_to(client, text) != text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(RingTraffic, OfOneWayCallsComesWholeAndInOrder) {
  std::vector<std::uint32_t> came;
  server_->on("note", [&](Request request) {
    std::uint32_t number = 0;
    std::memcpy(&number, request.payload().data(), sizeof number);
    came.push_back(number);
  });
  server_.run();
  Client client = server_.connect(options());
  ASSERT_TRUE(reach_ring(client));
  constexpr std::uint32_t count = 500;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::vector<std::byte> payload(sizeof i + i % 50 * 1000);
    std::memcpy(payload.data(), &i, sizeof i);
    ASSERT_TRUE(client.send("note", payload, {.deadline = patience}));
    rest(static_cast<int>(i));
  }
  ASSERT_EQ(reply_to(client, "done"), "done");
  server_.end();
  ASSERT_EQ(came.size(), count);
  EXPECT_TRUE(std::ranges::is_sorted(came));
}

TEST_P(RingTraffic, EndsCallsAtTheirDeadlinesAndWhenTheyAreCancelled) {  // P3
  std::vector<Request> held;
  server_->on("hold", [&](Request request) { held.push_back(std::move(request)); });
  server_->on("let go", [&](Request request) { held.clear(), request.reply(); });
  server_.run();
  Client client = server_.connect(options());
  ASSERT_TRUE(reach_ring(client));
  for (int i = 0; i < 10; ++i) {
    const auto reply = client.call("hold", std::string(100'000, 'x'), {.deadline = 5ms});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().cause(), Cause::deadline);
    ASSERT_EQ(reply_to(client, "between"), "between");
    std::optional<Cause> cause;
    const auto done = [&](const Result<Reply>& got) { cause = got.error().cause(); };
    const auto number = client.submit("hold", bytes_of("x"), done, {.deadline = 1h});
    ASSERT_TRUE(number);
    client.process();
    client.cancel(*number);
    ASSERT_TRUE(process_until(client, [&] { return cause.has_value(); }));
    EXPECT_EQ(*cause, Cause::cancelled);
  }
  EXPECT_TRUE(client.call("let go"));
  server_.end();
}

// Its calls in flight are answered, in the ring, before the connection ends.
TEST_P(RingTraffic, IsAnsweredToTheEndWhenTheServerDrains) {  // P7
  std::atomic<int> taken = 0;
  std::vector<Request> held;
  server_->on("hold", [&](Request request) { held.push_back(std::move(request)), ++taken; });
  server_->on("release", [&](Request request) {
    server_->stop();
    for (Request& one : held) one.reply(one.payload());
    held.clear();
    request.reply();
  });
  server_.run();
  Client client = server_.connect(options());
  ASSERT_TRUE(reach_ring(client));
  const std::string text = pattern(400'000);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const auto reply = client.call("hold", text, {.deadline = patience});
      wrong += !reply || reply->text() != text;
    });
  }
  EXPECT_TRUE(eventually([&] { return taken == 6; }));
  EXPECT_TRUE(client.call("release", "", {.deadline = patience}));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  server_.join();
}

/// A loop that is busy with others stops looking at it after a while, so it has to ring.
TEST_F(LastingRings, ThatAreQuietWhileOthersAreBusyAreHeardWhenTheySpeakAgain) {
  server_.run();
  Client quiet = server_.connect(eager());
  ASSERT_TRUE(reach_ring(quiet));
  std::atomic<bool> over = false;
  std::vector<std::jthread> busy;
  for (int i = 0; i < 2; ++i) {
    busy.emplace_back([&] {
      Client client = server_.connect(eager());
      while (!over) EXPECT_EQ(reply_to(client, "busy"), "busy");
    });
  }
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t others = server_->counts().calls + 200;
    EXPECT_TRUE(eventually([&] { return server_->counts().calls >= others; }));
    EXPECT_EQ(reply_to(quiet, "again"), "again");
  }
  over = true;
}

}  // namespace
}  // namespace tincan::test
