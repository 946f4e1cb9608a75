// Clients that have a ring or no connection: Transport::ring.

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "support/process.h"
#include "system/polling.h"
#include "system/raw_ring.h"
#include "system/raw_ring_server.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

ClientOptions insisting() {
  ClientOptions options;
  options.transport = Transport::ring;
  options.connect_deadline = patience;
  return options;
}

/// Of this process, in KiB.
std::uint64_t locked_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kib = 0;
    if (word == "VmLck:" && status >> kib) return kib;
  }
  return UINT64_MAX;
}

class InsistedRings : public Rings {
 protected:
  explicit InsistedRings(const ServerOptions& options = {.ring_idle = 1ms}) : Rings(options) {}
};

TEST_F(InsistedRings, AreThereBeforeTheFirstCallAndLocked) {
  server_.run();
  const std::uint64_t before = locked_kib();
  {
    Client client = server_.connect(insisting());
    EXPECT_EQ(client.ring_bytes(), limits::ring_bytes);
    EXPECT_EQ(client.ring_refusal(), "");
    EXPECT_EQ(server_->counts().rings, 1u);
    EXPECT_EQ(locked_kib() - before, 2 * transport::memory_bytes(limits::ring_bytes) / 1024);
    EXPECT_EQ(reply_to(client, "in a ring"), "in a ring");
  }
  EXPECT_EQ(locked_kib(), before);
}

TEST_F(InsistedRings, HaveTheSizeThatIsAskedFor) {
  server_.run();
  ClientOptions options = insisting();
  options.ring_bytes = 1024 * 1024;
  EXPECT_EQ(server_.connect(options).ring_bytes(), options.ring_bytes);
}

// The other's ring shows that the server has looked for idle ones.
TEST_F(InsistedRings, AreNotTakenBackThoughTheyLieIdle) {
  server_.run();
  Client client = server_.connect(insisting());
  Client other = server_.connect(eager());
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(reach_ring(other));
    ASSERT_TRUE(eventually([&] { return server_->counts().rings == 1; }));
  }
  EXPECT_EQ(client.ring_bytes(), limits::ring_bytes);
  EXPECT_EQ(reply_to(client, "still there"), "still there");
  EXPECT_EQ(client.reconnects(), 0u);
}

/// Why `options` get no ring of `server`.
Failure lack_of_ring(const std::string& path, const ClientOptions& options = insisting()) {
  auto client = Client::connect(path, options);
  return client ? Failure(Cause::answered) : std::move(client.error());
}

struct RingLack {
  const char* name;
  ServerOptions options;
  Cause cause;
  const char* words;
};

class RingLacks : public ::testing::TestWithParam<RingLack> {};

TEST_P(RingLacks, AreTheEndOfWhoInsists) {
  RunningServer server(GetParam().options);
  server.run();
  const Failure failure = lack_of_ring(server.path());
  EXPECT_EQ(failure.cause(), GetParam().cause) << failure.explain();
  EXPECT_EQ(failure.outcome(), Outcome::not_sent);
  for (const std::string& words : {"no ring with " + server.path() + ": ",
                                   std::string(GetParam().words), std::string("automatic")}) {
    EXPECT_NE(failure.explain().find(words), std::string::npos) << failure.explain();
  }
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 0; }));
}

INSTANTIATE_TEST_SUITE_P(
    , RingLacks,
    ::testing::Values(
        RingLack{"none_at_all", {.rings_max = 0}, Cause::unsupported, "rings_max is 0"},
        RingLack{"none_of_a_size", {.ring_bytes_max = 4096}, Cause::exhausted, "takes none"},
        RingLack{"none_for_this_user",
                 {.rings_per_uid_max = 0},
                 Cause::exhausted,
                 "the server's limit for one"},
        RingLack{"none_now", {.ring_grants_per_second = 0}, Cause::exhausted, "in one second"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(InsistedRing, OfAServerThatIsOlderThanRingsIsMissed) {
  RawServer server;
  auto failure = std::async(std::launch::async, [&] { return lack_of_ring(server.path()); });
  RawPeer peer = server.greet();
  EXPECT_EQ(failure.get().cause(), Cause::unsupported);
}

TEST(InsistedRing, OfAServerThatDoesNotAnswerIsMissedAtTheDeadline) {
  RawServer server;
  ClientOptions options = insisting();
  options.connect_deadline = 50ms;
  auto failure =
      std::async(std::launch::async, [&] { return lack_of_ring(server.path(), options); });
  RawPeer peer = server.accept();
  peer.greet(0, wire::ability_ring);
  const Failure why = failure.get();
  EXPECT_EQ(why.cause(), Cause::deadline);
  EXPECT_NE(why.explain().find("none came in 50 ms"), std::string::npos) << why.explain();
}

/// So many bytes are all that this process, a child of the test, may lock.
bool limit_locking(rlim_t bytes) {
  std::uint32_t this_process[] = {_LINUX_CAPABILITY_VERSION_3, 0};
  const std::uint32_t no_capabilities[2 * 3] = {};
  const rlimit limit{bytes, bytes};
  return ::syscall(SYS_capset, this_process, no_capabilities) == 0 &&
         ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

TEST_F(InsistedRings, NeedMemoryThatMayBeLocked) {
  server_.run();
  auto child = Process::fork([&] {
    if (!limit_locking(64 * 1024)) return 1;
    const Failure failure = lack_of_ring(server_.path());
    std::printf("%s", failure.explain().c_str());
    return failure.cause() == Cause::exhausted && failure.system_error() == ENOMEM ? 0 : 2;
  });
  EXPECT_EQ(child.wait(), 0) << child.output();
  EXPECT_NE(child.output().find("cannot lock 520 KiB: Cannot allocate memory; raise the limit of "
                                "locked memory (ulimit -l, now 64 KiB)"),
            std::string::npos)
      << child.output();
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 0; }));
}

/// Two servers at one path, one after the other.
class RestartedRings : public ::testing::Test {
 protected:
  struct Run {
    Run(const std::string& path, const ServerOptions& options)
        : server(or_exit(Server::listen(path, options))) {
      server.on("rings",
                [this](Request request) { request.reply(std::to_string(server.counts().rings)); });
      loop = std::thread([this] { EXPECT_TRUE(server.run()); });
    }
    ~Run() {
      server.stop();
      loop.join();
    }
    Server server;
    std::thread loop;
  };
  void serve(const ServerOptions& options = {}) {
    run_.reset();
    run_ = std::make_unique<Run>(path_, options);
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "socket";
  std::unique_ptr<Run> run_;
};

TEST_F(RestartedRings, AreThereAgainBeforeTheNextCall) {
  serve();
  Client client = or_exit(Client::connect(path_, insisting()));
  for (std::uint64_t round = 1; round < 4; ++round) {
    serve();
    const auto reply = client.call("rings", "", {.deadline = patience});
    ASSERT_TRUE(reply) << reply.error().explain();
    EXPECT_EQ(reply->text(), "1");
    EXPECT_EQ(client.ring_bytes(), limits::ring_bytes);
    EXPECT_EQ(client.reconnects(), round);
  }
}

TEST_F(RestartedRings, AreThereAgainBeforeWhatWasSubmitted) {
  serve();
  Client client = or_exit(Client::connect(path_, insisting()));
  ASSERT_GE(client.fd(), 0);
  for (std::uint64_t round = 1; round < 4; ++round) {
    serve();
    std::optional<std::string> answer;
    const auto done = [&](Result<Reply> reply) { answer = or_exit(std::move(reply)).text(); };
    ASSERT_TRUE(client.submit("rings", bytes_of(""), done, {.deadline = patience}));
    ASSERT_TRUE(process_until(client, [&] { return answer.has_value(); }));
    EXPECT_EQ(*answer, "1");
    EXPECT_EQ(client.ring_bytes(), limits::ring_bytes);
    EXPECT_EQ(client.reconnects(), round);
  }
}

TEST_F(RestartedRings, AreMissedWhenTheNextServerHasNone) {
  serve();
  Client client = or_exit(Client::connect(path_, insisting()));
  serve({.rings_max = 0});
  const auto reply = client.call("rings", "", {.deadline = patience});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().cause(), Cause::unsupported) << reply.error().explain();
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  std::optional<Cause> cause;
  const auto done = [&](const Result<Reply>& got) { cause = got.error().cause(); };
  ASSERT_GE(client.fd(), 0);
  ASSERT_TRUE(client.submit("rings", bytes_of(""), done, {.deadline = patience}));
  ASSERT_TRUE(process_until(client, [&] { return cause.has_value(); }));
  EXPECT_EQ(*cause, Cause::unsupported);
}

// No server of ours does so.
TEST(InsistedRing, ThatIsTakenBackEndsTheConnectionAndNothingGoesToTheSocket) {
  RawRingServer server(insisting());
  ASSERT_TRUE(server.reach());
  server.finish_connecting();
  auto call = std::async(std::launch::async, [&] {
    return server.connected->call("echo", "x", {.deadline = patience}).error();
  });
  ASSERT_TRUE(eventually([&] { return server.end->is_readable(); }));
  [[maybe_unused]] const bool is_to_be_rung = server.end->revoke();
  EXPECT_TRUE(server.send_revoke(0));  // it reads nothing of it
  const Failure failure = call.get();
  EXPECT_EQ(failure.cause(), Cause::closed) << failure.explain();
  EXPECT_EQ(failure.outcome(), Outcome::unknown);
  server.connected.reset();
  EXPECT_FALSE(server.peer->read()) << "something came over the socket";
}

}  // namespace
}  // namespace tincan::test
