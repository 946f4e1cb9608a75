// A peer that is killed over a ring is noticed, whoever sleeps there and however (promise 6). How
// soon is printed: `scripts/long measure` does so for a thousand kills of each kind.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>

#include "support/rounds.h"
#include "system/polling.h"
#include "system/ring_client.h"
#include "system/server_process.h"
#include "system/shared_memory.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock::time_point;

/// How long it took each time, as a line for people.
class Delays {
 public:
  void add(Time from, Time to) { all_.push_back(to - from); }
  void print(const char* what) {
    std::ranges::sort(all_);
    const auto microseconds = [this](std::size_t percent) {
      const auto delay = all_[std::min(all_.size() * percent / 100, all_.size() - 1)];
      return static_cast<double>(delay.count()) / 1000;
    };
    std::printf("%s: noticed after %.0f us (p50), %.0f us (p99), %.0f us (longest), %zu kills\n",
                what, microseconds(50), microseconds(99), microseconds(100), all_.size());
  }

 private:
  std::vector<std::chrono::nanoseconds> all_;
};

int kills() { return rounds(20, 1000) / thread_sanitizer_slowness; }

class DeathOfAServer : public ::testing::Test {
 protected:
  /// With a method that ends it, and notes when.
  Process start() {
    return start_server(path_,
                        [this](Server& server) {
                          server.on("echo",
                                    [](Request request) { request.reply(request.payload()); });
                          server.on("die", [this](Request) {
                            died_->store(std::chrono::steady_clock::now());
                            ::raise(SIGKILL);
                          });
                        },
                        {.ring_idle = 1h});
  }
  [[nodiscard]] Client connect(Waiting waiting) const {
    ClientOptions options = eager();
    options.waiting = waiting;
    options.reconnect_deadline = 0ms;
    options.connect_deadline = patience;
    return or_exit(Client::connect(path_, options));
  }
  static void expect_noticed(const Failure& failure) {
    EXPECT_EQ(failure.cause(), Cause::closed) << failure.explain();
    EXPECT_EQ(failure.outcome(), Outcome::unknown) << failure.explain();
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_ / "s";
  const Shared<std::atomic<Time>> died_;
};

TEST_F(DeathOfAServer, EndsTheCallThatSleepsAtItsRing) {
  Delays delays;
  for (int i = 0; i < kills() && !HasFailure(); ++i) {
    auto server = start();
    Client client = connect(Waiting::block);
    ASSERT_TRUE(reach_ring(client));
    const auto reply = client.call("die", "", {.deadline = patience});
    delays.add(*died_, std::chrono::steady_clock::now());
    ASSERT_FALSE(reply);
    expect_noticed(reply.error());
  }
  delays.print("a server, by a call that sleeps at its ring");
}

TEST_F(DeathOfAServer, EndsTheCallThatLooksAtItsRing) {
  for (int i = 0; i < rounds(5, 100) && !HasFailure(); ++i) {
    auto server = start();
    Client client = connect(Waiting::spin);
    ASSERT_TRUE(reach_ring(client));
    const auto reply = client.call("die", "", {.deadline = patience});
    ASSERT_FALSE(reply);
    expect_noticed(reply.error());
  }
}

TEST_F(DeathOfAServer, WakesTheEventLoopThatWatchesItsRing) {
  Delays delays;
  for (int i = 0; i < kills() && !HasFailure(); ++i) {
    auto server = start();
    Client client = connect(Waiting::adaptive);
    ASSERT_GE(client.fd(), 0);
    ASSERT_TRUE(reach_ring(client));
    std::optional<Failure> ended;
    const auto done = [&](const Result<Reply>& reply) {
      ended = reply ? Failure(Cause::usage) : reply.error();
    };
    ASSERT_TRUE(client.submit("die", bytes_of(""), done, {.deadline = patience}));
    ASSERT_TRUE(process_until(client, [&] { return ended.has_value(); }));
    delays.add(*died_, std::chrono::steady_clock::now());
    expect_noticed(*ended);
  }
  delays.print("a server, by an event loop");
}

/// Whether a process, of one thread, sleeps.
bool is_asleep(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);
  const std::size_t name_ends = stat.rfind(')');
  return name_ends != std::string::npos && stat.compare(name_ends, 3, ") S") == 0;
}

TEST_F(DeathOfAServer, EndsTheCallThatSleepsForRoomInItsRing) {
  for (int i = 0; i < rounds(5, 100) && !HasFailure(); ++i) {
    auto server = start();
    Client client = connect(Waiting::block);
    ASSERT_TRUE(reach_ring(client));
    server.kill(SIGSTOP);  // it takes nothing out any more
    auto killer = Process::fork([caller = ::getpid(), &server] {
      if (!eventually([&] { return is_asleep(caller); })) return 1;
      server.kill();
      return 0;
    });
    const auto reply = client.call("echo", std::string(1'000'000, 'x'), {.deadline = patience});
    EXPECT_EQ(killer.wait(), 0);
    ASSERT_FALSE(reply);
    EXPECT_NE(reply.error().cause(), Cause::deadline) << reply.error().explain();
    EXPECT_EQ(reply.error().outcome(), Outcome::not_sent) << "its last byte was not published";
  }
}

/// A client in its ring, until it is killed: in no call, or in one that is not answered.
int live(const std::string& path, bool in_a_call) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Client client = or_exit(Client::connect(path, eager()));
  if (!reach_ring(client)) return 1;
  std::printf("has a ring\n");
  std::fflush(stdout);
  if (in_a_call) [[maybe_unused]]
    const auto reply = client.call("hold", "", {.deadline = patience});
  while (true) ::pause();
}

class DeathOfAClient : public ::testing::TestWithParam<bool> {};

TEST_P(DeathOfAClient, WakesTheServerThatSleepsAtItsRing) {
  const TemporaryDirectory directory;
  Server server = or_exit(Server::listen(directory / "s", {.ring_idle = 1h}));
  std::vector<Request> held;
  server.on("hold", [&](Request request) { held.push_back(std::move(request)); });
  server.on("echo", [](Request request) { request.reply(request.payload()); });
  const auto serve_until = [&](const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition() && std::chrono::steady_clock::now() < end) {
      poll_once(server, 10ms);
      server.process();
    }
    return condition();
  };
  Delays delays;
  for (int i = 0; i < kills() && !HasFailure(); ++i) {
    auto client = Process::fork([&] { return live(directory / "s", GetParam()); });
    ASSERT_TRUE(serve_until([&] {
      return client.output().contains("has a ring") && held.size() == (GetParam() ? 1u : 0u);
    })) << client.output();
    const auto killed = std::chrono::steady_clock::now();
    client.kill();
    ASSERT_TRUE(serve_until([&] { return server.counts().connections == 0; }));
    delays.add(killed, std::chrono::steady_clock::now());
    EXPECT_EQ(server.counts().rings, 0u);
    for (const Request& request : held) EXPECT_TRUE(request.abandoned());
    held.clear();
  }
  delays.print(GetParam() ? "a client in a call, by its server" : "a client, by its server");
}

INSTANTIATE_TEST_SUITE_P(, DeathOfAClient, ::testing::Bool(), [](const auto& one) {
  return std::string(one.param ? "in_a_call" : "in_no_call");
});

}  // namespace
}  // namespace tincan::test
