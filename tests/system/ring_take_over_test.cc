// Successors take over from servers whose clients have rings: each call is run once and answered,
// and the clients have rings with the successor (promises 1 and 7).

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "support/rounds.h"
#include "system/polling.h"
#include "system/ring_client.h"
#include "system/server_process.h"
#include "system/shared_memory.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

/// What the servers and the clients note, for the test to look at.
struct Notes {
  static constexpr std::size_t calls_max = 8'000'000;
  static constexpr std::size_t servers_max = 256;
  std::array<std::atomic<std::uint8_t>, calls_max> runs;
  std::array<std::atomic<std::uint8_t>, calls_max> replies;
  std::atomic<std::uint32_t> made;
  /// Answers of each server to each of the clients that had a ring with it.
  std::array<std::array<std::atomic<std::uint32_t>, 2>, servers_max> over_rings;
  std::atomic<bool> finish;
};

/// What goes to and fro: the number of the call, and in the answer that of the server.
struct Numbers {
  std::uint32_t call = 0;
  std::uint32_t server = 0;
};

class TakeOverOfRings : public ::testing::Test {
 protected:
  Process start(std::uint32_t number) {
    const auto add_run = [this, number](Server& server) {
      server.on("run", [this, number](Request request) {
        Numbers numbers;
        std::memcpy(&numbers, request.payload().data(), sizeof numbers);
        ++notes_->runs[numbers.call];
        numbers.server = number;
        request.reply(std::as_bytes(std::span(&numbers, 1)));
      });
    };
    return start_server(path_, add_run, {.take_over = true, .ring_grants_per_second = 1'000'000});
  }
  std::vector<std::byte> next_request() {
    const Numbers numbers{.call = notes_->made++};
    // Now and then one that is under way for longer.
    std::vector<std::byte> request(sizeof numbers + (numbers.call % 100 == 0 ? 300'000 : 10));
    std::memcpy(request.data(), &numbers, sizeof numbers);
    return request;
  }
  bool note(const Result<Reply>& reply, const Client& client, std::size_t self) {
    if (!reply) {
      std::printf("%s\n", reply.error().explain().c_str());
      return false;
    }
    Numbers numbers;
    std::memcpy(&numbers, reply->payload().data(), sizeof numbers);
    ++notes_->replies[numbers.call];
    if (client.ring_bytes() > 0) ++notes_->over_rings[numbers.server][self];
    return true;
  }
  bool is_to_go_on() { return !notes_->finish && notes_->made < Notes::calls_max - 1000; }

  /// Two threads that wait for each call, over one connection. Returns how many have failed.
  int call_and_wait() {
    Client client = or_exit(Client::connect(path_, eager()));
    std::atomic<int> failures = 0;
    const auto call = [&] {
      while (is_to_go_on() && failures == 0) {
        failures += !note(client.call("run", next_request(), {.deadline = patience}), client, 0);
      }
    };
    std::thread other(call);
    call();
    other.join();
    return failures;
  }
  /// Many in flight; and one that is waited for, which asks for the ring.
  int call_and_go_on() {
    Client client = or_exit(Client::connect(path_, eager()));
    int failures = 0;
    int in_flight = 0;
    const auto done = [&](const Result<Reply>& reply) {
      failures += !note(reply, client, 1);
      --in_flight;
    };
    while (is_to_go_on() && failures == 0) {
      for (; in_flight < 20; ++in_flight) {
        if (!client.submit("run", next_request(), done, {.deadline = patience})) return 100;
      }
      failures += !note(client.call("run", next_request(), {.deadline = patience}), client, 1);
      if (!process_until(client, [&] { return in_flight < 10; })) return 101;
    }
    return process_until(client, [&] { return in_flight == 0; }) ? failures : 102;
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_ / "s";
  const Shared<Notes> notes_;
};

TEST_F(TakeOverOfRings, LosesNoCallAndRunsNoneTwice) {
  auto server = start(0);
  auto waiting = Process::fork([&] { return call_and_wait(); });
  auto going_on = Process::fork([&] { return call_and_go_on(); });
  const auto servers = static_cast<std::uint32_t>(rounds(20, 200));
  for (std::uint32_t number = 0; number < servers; ++number) {
    if (number > 0) {
      Process successor = start(number);
      ASSERT_EQ(server.wait(), 0) << "the old server: " << server.output();
      server = std::move(successor);
    }
    const auto& answers = notes_->over_rings[number];
    ASSERT_TRUE(eventually([&] { return answers[0] > 100 && answers[1] > 100; }))
        << "no rings with successor " << number << waiting.output() << going_on.output();
  }
  notes_->finish = true;
  EXPECT_EQ(waiting.wait(), 0) << waiting.output();
  EXPECT_EQ(going_on.wait(), 0) << going_on.output();
  for (std::uint32_t call = 0; call < notes_->made; ++call) {
    ASSERT_EQ(notes_->runs[call], 1) << call;
    ASSERT_EQ(notes_->replies[call], 1) << call;
  }
}

}  // namespace
}  // namespace tincan::test
