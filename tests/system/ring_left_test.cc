// What rings leave behind when they go: nothing, though the client keeps all that it gave (promise
// 4).

#include <gtest/gtest.h>

#include "system/raw_ring.h"
#include "system/ring_client.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

class AbandonedRings : public Rings {
 protected:
  explicit AbandonedRings(std::chrono::milliseconds idle = 1h)
      : Rings(ServerOptions{.ring_grants_per_second = 1'000'000, .ring_idle = idle}) {}

  /// The client takes away its pages and has the server write to all of them again; it reads
  /// nothing.
  static void have_it_pay(RawRing& ring) {
    ring.punch_holes();
    EXPECT_LE(ring.pages_bytes(), 4096u);  // where its words are, which it may touch at any time
    const std::string large(60'000, 'x');
    for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) {
      ring.write(RawPeer::call(sequence, static_cast<std::uint16_t>(sequence), "echo", large));
    }
    EXPECT_TRUE(eventually([&] { return ring.pages_bytes() > 200'000; }));
  }
};

TEST_F(AbandonedRings, LeaveNothingThatTheServerPaysForHoweverManyCome) {
  server_.run();
  for (int i = 0; i < 300; ++i) {
    RawRing ring(server_.path());
    ASSERT_TRUE(ring.reach()) << "after " << i;
    have_it_pay(ring);
    ring.peer.close();
    ASSERT_TRUE(eventually([&] { return ring.pages_bytes() == 0; })) << "after " << i;
  }
  EXPECT_TRUE(eventually([&] { return server_->counts().rings == 0; }));
}

TEST_F(AbandonedRings, LeaveNothingWhenTheirClientHalfCloses) {
  server_.run();
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  have_it_pay(ring);
  ::shutdown(ring.peer.fd(), SHUT_WR);
  EXPECT_TRUE(eventually([&] { return ring.pages_bytes() == 0; }));
}

// epoll watches the pipe and not the number: what its maker keeps open outlives our closing it.
TEST_F(AbandonedRings, AreNotHeardOfAgainThoughTheirDoorbellIsRung) {
  server_.run();
  std::vector<RawRing> gone;
  for (int i = 0; i < 50; ++i) {
    gone.emplace_back(server_.path());
    ASSERT_TRUE(gone.back().reach());
    gone.back().peer.close();
  }
  ASSERT_TRUE(eventually([&] { return server_->counts().connections == 0; }));
  Client client = server_.connect();
  for (const RawRing& ring : gone) {
    ring.ring();
    ASSERT_EQ(reply_to(client, "goes on"), "goes on");
  }
}

class FewAbandonedRings : public Rings {
 protected:
  FewAbandonedRings()
      : Rings(ServerOptions{.rings_per_uid_max = 2, .ring_grants_per_second = 1'000'000}) {}
};

TEST_F(FewAbandonedRings, AreNotCountedAgainstThoseThatCome) {
  server_.run();
  for (int i = 0; i < 20; ++i) {
    RawRing ring(server_.path());
    ring.say(RawRing::Step::ask);
    ASSERT_EQ(ring.hear().step, RawRing::Step::grant) << "after " << i;
    if (i % 2 == 0) continue;  // it goes before it has offered one
    ASSERT_TRUE(ring.say(RawRing::Step::offer));
    ASSERT_EQ(ring.hear().step, RawRing::Step::accept);
    ring.peer.close();
    ASSERT_TRUE(eventually([&] { return server_->counts().connections == 0; }));
  }
}

class GrantedRings : public Rings {
 protected:
  GrantedRings() : Rings(ServerOptions{.rings_max = 1, .handshake_deadline = 50ms}) {}
};

TEST_F(GrantedRings, GoToOthersWhenTheyAreNotOfferedInTime) {
  server_.run();
  RawRing ring(server_.path());
  ring.say(RawRing::Step::ask);
  ASSERT_EQ(ring.hear().step, RawRing::Step::grant);
  RawRing other(server_.path());
  std::uint64_t id = 0;
  EXPECT_TRUE(eventually([&] {
    other.say(RawRing::Step::ask, ++id);
    return other.hear().step == RawRing::Step::grant;
  }));
  ring.say(RawRing::Step::offer);
  const auto answer = ring.hear();
  EXPECT_EQ(answer.step, RawRing::Step::refuse);
  EXPECT_EQ(answer.reason, "it was offered too late");
  other.peer.close();
  id = 1;
  EXPECT_TRUE(eventually([&] {
    ring.say(RawRing::Step::ask, ++id);
    if (ring.hear().step != RawRing::Step::grant) return false;
    ring.say(RawRing::Step::offer, id);
    return ring.hear().step == RawRing::Step::accept;
  }));
  EXPECT_EQ(server_->counts().rings, 1u);
}

class IdleAbandonedRings : public AbandonedRings {
 protected:
  IdleAbandonedRings() : AbandonedRings(100ms) {}

  /// The server takes it back though nothing of it was read, and the client says that it knows.
  void have_it_taken_back(RawRing& ring) {
    have_it_pay(ring);
    const auto revoke = ring.peer.read(wire::Kind::revoke);
    ASSERT_TRUE(revoke);
    ring.peer.send(RawPeer::frame(revoke->header));
    ASSERT_TRUE(eventually([&] { return server_->counts().rings == 0; }));
  }
};

TEST_F(IdleAbandonedRings, LeaveNothingOnceTheirConnectionHasGone) {
  server_.run();
  for (int i = 0; i < 5; ++i) {
    RawRing ring(server_.path());
    ASSERT_TRUE(ring.reach()) << "after " << i;
    have_it_taken_back(ring);
    ring.peer.close();
    ASSERT_TRUE(eventually([&] { return ring.pages_bytes() == 0; })) << "after " << i;
  }
}

TEST_F(IdleAbandonedRings, LeaveNothingOnceThereIsAnother) {
  server_.run();
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  have_it_taken_back(ring);
  const auto last = std::move(ring.kept);
  ring.renew();
  ASSERT_TRUE(ring.reach(2));
  EXPECT_EQ(RawRing::pages_bytes(last.to_client), 0u);
}

}  // namespace
}  // namespace tincan::test
