// Rings of those who poll: a client's fd() and a server's, and how often they wake up.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "support/process.h"
#include "support/rounds.h"
#include "system/polling.h"
#include "system/ring_client.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

TEST_F(LastingRings, CarryCallsThatAreSubmittedFromAPollLoop) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_GE(client.fd(), 0);
  ASSERT_TRUE(reach_ring(client));
  for (int round = 0; round < 300; round += thread_sanitizer_slowness) {
    const std::string text(static_cast<std::size_t>(round) * 1000, 'x');
    std::size_t right = 0;
    for (int i = 0; i < 3; ++i) {
      const auto done = [&](const Result<Reply>& reply) {
        right += reply && reply->text() == text;
      };
      ASSERT_TRUE(client.submit("echo", bytes_of(text), done, {.deadline = patience}));
    }
    ASSERT_TRUE(process_until(client, [&] { return right == 3; })) << round;
  }
  EXPECT_GT(client.ring_bytes(), 0u);
}

TEST_F(LastingRings, AreAskedForByCallsThatAreSubmitted) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_GE(client.fd(), 0);
  for (int i = 0; i < 1000 && client.ring_bytes() == 0; ++i) {
    std::optional<std::string> answer;
    const auto done = [&](Result<Reply> reply) { answer = or_exit(std::move(reply)).text(); };
    ASSERT_TRUE(client.submit("echo", bytes_of(std::to_string(i)), done, {.deadline = patience}));
    ASSERT_TRUE(process_until(client, [&] { return answer.has_value(); }));
    EXPECT_EQ(*answer, std::to_string(i));
  }
  EXPECT_GT(client.ring_bytes(), 0u) << client.ring_refusal();
}

// fd() rests while nothing comes, and becomes readable when something does.
TEST_F(LastingRings, LetTheDescriptorOfAClientRestUntilSomethingComes) {
  std::optional<Request> held;
  std::atomic<bool> is_held = false;
  server_->on("hold", [&](Request request) { held = std::move(request), is_held = true; });
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_GE(client.fd(), 0);
  ASSERT_TRUE(reach_ring(client));
  for (int round = 0; round < 20; ++round) {
    is_held = false;
    std::optional<std::string> answer;
    const auto done = [&](Result<Reply> reply) { answer = or_exit(std::move(reply)).text(); };
    ASSERT_TRUE(client.submit("hold", bytes_of("x"), done, {.deadline = 1h}));
    client.process();
    ASSERT_TRUE(eventually([&] { return is_held.load(); }));
    int wakes = 0;
    pollfd ready{client.fd(), POLLIN, 0};
    while (::poll(&ready, 1, 20) == 1 && wakes < 100) ++wakes, client.process();
    EXPECT_LT(wakes, 5) << "it spins";
    ASSERT_FALSE(answer);
    held->reply("late");
    ASSERT_TRUE(process_until(client, [&] { return answer.has_value(); }));
    EXPECT_EQ(*answer, "late");
  }
  held.reset();
  server_.end();
}

TEST_F(LastingRings, OfAServerThatIsPolledAreServedAndLetItRest) {
  std::atomic<bool> ends = false;
  std::atomic<bool> idle = false;
  std::atomic<int> wakes_idle = 0;
  std::thread loop([&] {
    while (!ends) {
      pollfd ready{server_->fd(), server_->events(), 0};
      auto wait = 100ms;
      if (const auto deadline = server_->deadline()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            *deadline - std::chrono::steady_clock::now());
        wait = std::clamp(left, 0ms, 100ms);
      }
      if (::poll(&ready, 1, static_cast<int>(wait.count())) == 1 && idle) ++wakes_idle;
      server_->process();
    }
  });
  {
    Client client = server_.connect(eager());
    EXPECT_TRUE(reach_ring(client));
    for (int i = 0; i < 300; ++i) EXPECT_EQ(reply_to(client, std::to_string(i)), std::to_string(i));
    EXPECT_GT(client.ring_bytes(), 0u);
    idle = true;
    const auto end = std::chrono::steady_clock::now() + 300ms;
    EXPECT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > end; }));
    idle = false;
    EXPECT_LT(wakes_idle, 10) << "it spins";
    EXPECT_EQ(reply_to(client, "again"), "again");
  }
  ends = true;
  loop.join();
}

std::chrono::nanoseconds cpu_time() {
  rusage usage = {};
  EXPECT_EQ(::getrusage(RUSAGE_SELF, &usage), 0);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// Server, client and a call that waits in one process: nothing of it runs.
TEST_F(LastingRings, CostNoTimeOfTheProcessorWhileNothingIsSaid) {
  std::optional<Request> held;
  std::atomic<bool> is_held = false;
  server_->on("hold", [&](Request request) { held = std::move(request), is_held = true; });
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(reach_ring(client));
  std::thread caller([&] { EXPECT_TRUE(client.call("hold", "", {.deadline = patience})); });
  ASSERT_TRUE(eventually([&] { return is_held.load(); }));
  const auto before = cpu_time();
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < start + 1s) ::poll(nullptr, 0, 100);
  EXPECT_LT(cpu_time() - before, 100ms);
  held->reply();
  caller.join();
  server_.end();
}

// The child has the descriptors closed and the memory unmapped; the parent notices nothing.
TEST_F(LastingRings, AreThoseOfTheParentAfterAFork) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(reach_ring(client));
  for (int round = 0; round < 20; ++round) {
    auto child = Process::fork([&] {
      const auto reply = client.call("echo", "child", {.deadline = patience});
      return !reply && reply.error().cause() == Cause::forked ? 0 : 1;
    });
    ASSERT_EQ(reply_to(client, "parent"), "parent");
    ASSERT_EQ(child.wait(), 0) << child.output();
    ASSERT_EQ(reply_to(client, "parent"), "parent");
    ASSERT_GT(client.ring_bytes(), 0u);
  }
  EXPECT_EQ(client.reconnects(), 0u);
}

}  // namespace
}  // namespace tincan::test
