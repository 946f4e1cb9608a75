// Doorbells that are rung for nothing, blocked, emptied or closed, and clients that stop: each
// costs its own connection at most (promise 5).

#include <gtest/gtest.h>

#include "support/process.h"
#include "system/raw_ring.h"
#include "system/ring_client.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

class VeryIdleRings : public Rings {
 protected:
  VeryIdleRings() : Rings(ServerOptions{.ring_idle = 1ms}) {}
};

// In the very turn in which it was rung for: a ring is awake then.
TEST_F(VeryIdleRings, AreTakenBackWhileTheirDoorbellsAreRungForNothing) {
  server_.run();
  for (const bool has_moved : {false, true}) {
    std::vector<RawRing> rings;
    for (int i = 0; i < 20; ++i) {
      rings.emplace_back(server_.path());
      ASSERT_TRUE(has_moved ? rings.back().reach() : rings.back().agree());
      for (int k = 0; k < 200; ++k) rings.back().ring();
    }
    ASSERT_TRUE(eventually([&] {
      for (const RawRing& ring : rings) ring.ring();
      return server_->counts().rings == 0;
    }));
    Client client = server_.connect();
    ASSERT_EQ(reply_to(client, "goes on"), "goes on");
  }
}

struct Trick {
  const char* name;
  std::function<void(RawRing&)> play;
};

class DoorbellTricks : public LastingRings, public ::testing::WithParamInterface<Trick> {};

TEST_P(DoorbellTricks, HoldNobodyUp) {
  server_.run();
  Client bystander = server_.connect(eager());
  ASSERT_TRUE(reach_ring(bystander));
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  GetParam().play(ring);
  for (std::uint64_t sequence = 1; sequence <= 50; ++sequence) {
    ASSERT_EQ(reply_to(bystander, "goes on"), "goes on");
    // Calls that nobody was rung for are found by whoever looks; that is the client's own loss.
    ring.end->write(RawPeer::call(sequence, 0, "echo", "x"));
    [[maybe_unused]] const bool sleeps = ring.end->publish();
    for (int i = 0; i < 300; ++i) ring.ring();
    ASSERT_TRUE(ring.read());
  }
}

INSTANTIATE_TEST_SUITE_P(
    , DoorbellTricks,
    ::testing::Values(
        Trick{"waiting_where_it_must_not",
              [](RawRing& ring) {
                const int fd = ring.bell->listening_end();
                ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
              }},
        Trick{"emptied_by_its_ringer",
              [](RawRing& ring) {
                for (int i = 0; i < 5000; ++i) {
                  char bytes[64];
                  ring.ring();
                  EXPECT_GT(::read(ring.bell->listening_end(), bytes, sizeof bytes), 0);
                }
              }},
        Trick{"filled_by_its_ringer",
              [](RawRing& ring) {
                for (int i = 0; i < 100'000; ++i) ring.ring();
              }},
        Trick{"servers_closed", [](RawRing& ring) { ring.heard_from.reset(); }},
        Trick{"servers_filled",
              [](RawRing& ring) {
                const std::string name = "/proc/self/fd/" + std::to_string(ring.heard_from->fd());
                const Descriptor writer(::open(name.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
                ASSERT_TRUE(writer);
                const std::vector<char> bytes(4096);
                while (::write(writer.get(), bytes.data(), bytes.size()) > 0) {
                }
              }}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(LastingRings, WhoseDoorbellIsClosedByTheClientHoldNobodyUp) {
  server_.run();
  Client bystander = server_.connect(eager());
  ASSERT_TRUE(reach_ring(bystander));
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  ring.bell.reset();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(reply_to(bystander, "goes on"), "goes on");
  EXPECT_EQ(server_->counts().rings, 2u);
}

// The server has more for it than the ring takes, and than it may leave unread to be read from.
TEST_F(LastingRings, OfClientsThatAreStoppedAndThenKilledHoldNobodyUp) {
  auto stopped = Process::fork([&] {
    Client client = server_.connect(eager());
    if (!reach_ring(client)) return 1;
    const std::string large(200'000, 'x');
    for (int i = 0; i < 20; ++i) {
      if (!client.submit("later", bytes_of(large), [](const Result<Reply>&) {})) return 2;
    }
    while (or_exit(client.call("count")).text() != "20") {
    }
    std::printf("stops\n");
    std::fflush(stdout);
    while (true) ::pause();
  });
  std::vector<Request> held;
  server_->on("later", [&](Request request) { held.push_back(std::move(request)); });
  server_->on("count", [&](Request request) { request.reply(std::to_string(held.size())); });
  server_->on("now", [&](Request request) {
    for (Request& one : held) one.reply(one.payload());
    const std::string count = std::to_string(held.size());
    held.clear();
    request.reply(count);
  });
  server_.run();
  ASSERT_TRUE(stopped.wait_for_output("stops")) << stopped.output();
  stopped.kill(SIGSTOP);
  Client bystander = server_.connect(eager());
  ASSERT_TRUE(reach_ring(bystander));
  const auto answered = bystander.call("now", "", {.deadline = patience});
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->text(), "20");
  for (int i = 0; i < 200; ++i) ASSERT_EQ(reply_to(bystander, "goes on"), "goes on");
  stopped.kill();
  ASSERT_TRUE(stopped.wait());
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 1; }));
  EXPECT_EQ(server_->counts().rings, 1u);
  server_.end();  // before what its handlers use
}

}  // namespace
}  // namespace tincan::test
