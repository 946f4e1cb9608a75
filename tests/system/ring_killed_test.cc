// Processes that are killed at any of their system calls while a connection moves to a ring, uses
// it and moves back: the other side's calls end as what they are, nothing is left of the ring, and
// the next connection has one (promises 1, 6, 8 and 14).

#include "support/seam.h"

#ifdef TINCAN_SEAM

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "support/rounds.h"
#include "system/ring_client.h"
#include "system/server_process.h"
#include "system/shared_memory.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

/// What a process has of rings: descriptors open, and memories mapped.
struct Holdings {
  std::size_t descriptors = 0;
  std::size_t memories = 0;
  bool operator==(const Holdings&) const = default;
};

Holdings holdings() {
  Holdings found;
  found.descriptors = static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) found.memories += line.contains("memfd:tincan");
  return found;
}

/// Which calls were run, known whoever dies.
struct RunsByServer {
  static constexpr std::size_t calls_max = 4'000'000;
  std::array<std::atomic<std::uint8_t>, calls_max> of;
  std::atomic<std::uint64_t> made;
};

/// The way of a connection, of which `begin` is what it does before it may be killed.
struct Stretch {
  const char* name;
  std::chrono::milliseconds ring_idle;
  bool begins_in_ring;  ///< Else with the wish for one.
  bool rests;           ///< Between its calls, until the ring is taken back.
};

constexpr Stretch stretches[] = {
    {"while_it_moves_to_the_ring", 1h, false, false},
    {"while_it_uses_the_ring", 1h, true, false},
    {"while_it_moves_to_the_ring_and_back", 1ms, false, true},
};

class Killed : public ::testing::TestWithParam<Stretch> {
 protected:
  /// Adds what the calls of this test need; `kills` is installed at the first of them that says so.
  void add_methods(Server& server, KillAt* kills) {
    server.on("run", [this](Request request) {
      std::uint64_t number = 0;
      std::memcpy(&number, request.payload().data(), sizeof number);
      ++runs_->of[number];
      request.reply(request.payload());
    });
    server.on("echo", [](Request request) { request.reply(request.payload()); });
    server.on("begin", [kills](Request request) {
      request.reply();
      if (kills != nullptr) os::install(kills);
    });
    server.on("rings",
              [&server](Request request) { request.reply(std::to_string(server.counts().rings)); });
    server.on("left", [&server](Request request) {
      const Holdings has = holdings();
      request.reply(std::to_string(server.counts().connections) + " connections, " +
                    std::to_string(server.counts().rings) + " rings, " +
                    std::to_string(has.descriptors) + " descriptors, " +
                    std::to_string(has.memories) + " memories");
    });
  }
  Process start(KillAt* kills) {
    return start_server(path_, [this, kills](Server& server) { add_methods(server, kills); },
                        {.ring_grants_per_second = 1'000'000, .ring_idle = GetParam().ring_idle});
  }
  static ClientOptions options() {
    ClientOptions with = eager();
    with.waiting = Waiting::block;  // so that it makes the same calls to the kernel each time
    with.reconnect_deadline = 0ms;
    with.connect_deadline = patience;
    return with;
  }

  /// One call, whose outcome has to be true. None: it has failed, as the other side has gone.
  bool run(Client& client, std::size_t bytes) {
    const std::uint64_t number = runs_->made++ % RunsByServer::calls_max;
    std::string payload(sizeof number + bytes, '\7');
    std::memcpy(payload.data(), &number, sizeof number);
    const auto reply = client.call("run", payload, {.deadline = patience});
    const int runs = runs_->of[number];
    EXPECT_LE(runs, 1);
    if (reply) {
      EXPECT_EQ(runs, 1);
      EXPECT_TRUE(reply->text() == payload);  // as text: compared at once, not byte by byte
      return true;
    }
    const Failure& failure = reply.error();
    EXPECT_NE(failure.cause(), Cause::deadline) << failure.explain();
    EXPECT_NE(failure.outcome(), Outcome::declared) << failure.explain();
    EXPECT_FALSE(failure.outcome() == Outcome::not_sent && runs > 0) << failure.explain();
    return false;
  }
  /// The calls of a stretch. False: the server has gone.
  bool go(Client& client) {
    for (int round = 0; round < 3; ++round) {
      for (const std::size_t bytes : {0, 10, 1000, 100'000, 400'000, 1, 2, 3}) {
        if (!run(client, bytes)) return false;
      }
      if (GetParam().rests && !rest(client)) return false;
    }
    return true;
  }
  /// Until the server has taken the ring back, which it does though nobody calls, or has gone.
  bool rest(Client& client) {
    auto other = Client::connect(path_, {.connect_deadline = patience});
    EXPECT_TRUE(eventually([&] {
      if (!other) return true;
      const auto rings = other->call("rings", "", {.deadline = patience});
      return !rings || rings->text() == "0";
    }));
    return run(client, 5);
  }
  /// False: the server has gone, as it may from here on.
  static bool begin(Client& client) {
    EXPECT_TRUE(!GetParam().begins_in_ring || reach_ring(client));
    return client.call("begin", "", {.deadline = patience}).has_value();
  }
  static int kills_wanted() { return rounds(10, 1000) / thread_sanitizer_slowness; }
  /// Not at every call each time that this runs.
  static int step() { return thread_sanitizer_slowness > 1 ? rounds(12, 4) : rounds(4, 1); }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_ / "s";
  const Shared<RunsByServer> runs_;
};

INSTANTIATE_TEST_SUITE_P(, Killed, ::testing::ValuesIn(stretches),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(Killed, ClientsLeaveNothingWithTheServer) {
  auto server = start(nullptr);
  Client other = or_exit(Client::connect(path_, {.connect_deadline = patience}));
  const auto left = [&] { return std::string(or_exit(other.call("left")).text()); };
  const std::string at_first = left();
  int kills = 0;
  int calls = 0;
  for (int n = 1; kills < kills_wanted() || calls == 0; n += step()) {
    auto client = Process::fork([&] {
      Client dying = or_exit(Client::connect(path_, options()));
      if (!begin(dying)) return 2;
      KillAt at(n);
      const Installed installed(at);
      return go(dying) && !HasFailure() ? 0 : 3;
    });
    const auto ended = client.wait();
    ASSERT_TRUE(ended == 0 || ended == -SIGKILL) << n << ": " << client.output();
    ASSERT_TRUE(eventually([&] { return left() == at_first; })) << n << ": " << left();
    if (ended == -SIGKILL) {
      ++kills;
      continue;
    }
    calls = n;
    n = 1 - step();
    Client next = or_exit(Client::connect(path_, options()));
    ASSERT_TRUE(reach_ring(next));
  }
  EXPECT_GT(calls, 15) << "it has more calls than that: is the seam in place?";
}

TEST_P(Killed, ServersLeaveNothingWithTheClientAndEndItsCallsAsWhatTheyAre) {
  int kills = 0;
  int calls = 0;
  const Holdings at_first = holdings();
  for (int n = 1; kills < kills_wanted() || calls == 0; n += step()) {
    {
      KillAt at(n);
      auto server = start(&at);
      Client client = or_exit(Client::connect(path_, options()));
      if (!begin(client) || !go(client)) {
        EXPECT_FALSE(run(client, 5)) << "nobody is there";
        EXPECT_EQ(server.wait(), -SIGKILL) << server.output();
        EXPECT_EQ(holdings().memories, 0u) << "of a ring that is dead";
        ++kills;
      } else {
        calls = n;
        n = 1 - step();
      }
    }
    EXPECT_EQ(holdings().descriptors, at_first.descriptors) << n;
    EXPECT_EQ(holdings().memories, 0u) << n;
    if (HasFailure()) break;
  }
  EXPECT_GT(calls, 15) << "it has more calls than that: is the seam in place?";
}

}  // namespace
}  // namespace tincan::test

#endif
