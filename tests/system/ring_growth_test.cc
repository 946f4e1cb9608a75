// Rings that are too small for what goes through them, and larger ones in their place.

#include <gtest/gtest.h>

#include <thread>

#include "support/rounds.h"
#include "system/polling.h"
#include "system/raw_ring.h"
#include "system/raw_ring_server.h"
#include "unit/wire/frames.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t smallest = ring::capacity_bytes_min;

/// Each fills the smallest ring twelve times.
constexpr int large_calls = 30 / thread_sanitizer_slowness;

class GrowingRings : public Rings {
 protected:
  explicit GrowingRings(ServerOptions options = {}) : Rings(lasting(std::move(options))) {
    server_->on("take", [](Request request) { request.reply(request.text().substr(0, 3)); });
    server_->on("give", [](Request request) { request.reply(large()); });
  }
  static ServerOptions lasting(ServerOptions options) {
    options.ring_idle = 1h;
    return options;
  }
  static const std::string& large() {
    static const std::string text = wire::test::pattern(3'000'000);
    return text;
  }
  /// Calls until the ring has so many bytes each way. False: it does not get there.
  static bool grow(Client& client, std::uint64_t bytes, std::string_view method = "echo") {
    const std::string& sent = method == "give" ? std::string() : large();
    const std::string& expected = method == "take" ? large().substr(0, 3) : large();
    for (int i = 0; i < 1000 && client.ring_bytes() != bytes; ++i) {
      const auto reply = client.call(method, sent, {.deadline = patience});
      EXPECT_TRUE(reply && reply->text() == expected) << i;
      if (!reply) return false;
    }
    return client.ring_bytes() == bytes;
  }
};

class GrowingEachWay : public GrowingRings, public ::testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(, GrowingEachWay, ::testing::Values("echo", "take", "give"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(GrowingEachWay, ReachTheirMostAndStayThere) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(grow(client, limits::ring_bytes_grown, GetParam())) << client.ring_refusal();
  for (int i = 0; i < large_calls; ++i) ASSERT_TRUE(reply_to(client, large()) == large());
  EXPECT_EQ(client.ring_bytes(), limits::ring_bytes_grown);
  EXPECT_EQ(server_->counts().rings, 1u);
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST_F(GrowingRings, GrowInStepsUpToTheLargest) {
  server_.run();
  ClientOptions options = eager();
  options.ring_bytes_max = 8 * 1024 * 1024;
  options.ring_after_fills = 2;  // to fill the larger ones more often would take long
  Client client = server_.connect(options);
  std::vector<std::uint64_t> sizes;
  const std::string text(20'000'000, 'x');
  for (int i = 0; i < 1000 && client.ring_bytes() != options.ring_bytes_max; ++i) {
    ASSERT_TRUE(client.call("take", text, {.deadline = patience}));
    const std::uint64_t bytes = client.ring_bytes();
    if (bytes > 0 && (sizes.empty() || sizes.back() != bytes)) sizes.push_back(bytes);
  }
  EXPECT_EQ(client.ring_bytes(), options.ring_bytes_max);
  EXPECT_TRUE(std::ranges::is_sorted(sizes));
}

TEST_F(GrowingRings, GrowUnderCallsThatAreSubmitted) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_GE(client.fd(), 0);
  for (int i = 0; i < 1000 && client.ring_bytes() != limits::ring_bytes_grown; ++i) {
    int right = 0;
    const auto done = [&](const Result<Reply>& reply) { right += reply->text() == large(); };
    for (int call = 0; call < 3; ++call) {
      ASSERT_TRUE(client.submit("echo", bytes_of(large()), done, {.deadline = patience}));
    }
    ASSERT_TRUE(process_until(client, [&] { return right == 3; })) << i;
  }
  EXPECT_EQ(client.ring_bytes(), limits::ring_bytes_grown) << client.ring_refusal();
}

TEST_F(GrowingRings, GrowUnderTheCallsOfManyThreads) {  // P2
  server_.run();
  Client client = server_.connect(eager());
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::uint32_t thread = 0; thread < 6; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint32_t i = 0; i < 30; ++i) {
        const std::string text =
            wire::test::pattern(1 + (i * 7 + thread) % 10 * 100'000, thread * 100 + i);
        wrong += reply_to(client, text) != text;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(grow(client, limits::ring_bytes_grown));
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST_F(GrowingRings, StayAsTheyAreWhereTheClientWantsNoLarger) {
  server_.run();
  ClientOptions options = eager();
  options.ring_bytes_max = options.ring_bytes;
  Client client = server_.connect(options);
  ASSERT_TRUE(reach_ring(client));
  for (int i = 0; i < large_calls; ++i) ASSERT_TRUE(reply_to(client, large()) == large());
  EXPECT_EQ(client.ring_bytes(), smallest);
  options.transport = Transport::ring;
  options.ring_bytes_max = limits::ring_bytes_grown;
  Client insisting = server_.connect(options);
  for (int i = 0; i < large_calls; ++i) ASSERT_TRUE(reply_to(insisting, large()) == large());
  EXPECT_EQ(insisting.ring_bytes(), smallest);
  EXPECT_EQ(insisting.ring_refusal(), "");
}

TEST_F(GrowingRings, StayAsTheyAreUnderLargeCallsThatAreFew) {
  server_.run();
  ClientOptions options = eager();
  options.ring_after_fills = 1'000'000;
  Client client = server_.connect(options);
  ASSERT_TRUE(reach_ring(client));
  for (int i = 0; i < large_calls; ++i) ASSERT_TRUE(reply_to(client, large()) == large());
  EXPECT_EQ(client.ring_bytes(), smallest);
}

TEST_F(GrowingRings, HaveAMostThatARingCanHave) {
  server_.run();
  ClientOptions options = eager();
  options.ring_bytes_max = 3 * smallest;
  const auto client = Client::connect(server_.path(), options);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().cause(), Cause::usage);
  EXPECT_NE(client.error().explain().find("ring_bytes_max"), std::string::npos);
}

class SmallRings : public GrowingRings {
 protected:
  SmallRings() : GrowingRings({.ring_bytes_max = smallest}) {}
};

TEST_F(SmallRings, StayAsTheyAreWhereTheServerTakesNoLarger) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(reach_ring(client));
  for (int i = 0; i < 1000 && client.ring_refusal().empty(); ++i) {
    ASSERT_TRUE(reply_to(client, large()) == large());
  }
  EXPECT_EQ(client.ring_refusal(), "the server takes none that is larger");
  for (int i = 0; i < large_calls; ++i) ASSERT_TRUE(reply_to(client, large()) == large());
  EXPECT_EQ(client.ring_bytes(), smallest);
  EXPECT_EQ(server_->counts().rings, 1u);
  EXPECT_EQ(server_->counts().breaches, 0u);
}

class SlowRings : public GrowingRings {
 protected:
  SlowRings() : GrowingRings({.ring_grants_per_second = 1}) {}
};

TEST_F(SlowRings, GrowNoFasterThanThisUserMay) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(reach_ring(client));
  EXPECT_TRUE(eventually([&] {
    EXPECT_TRUE(reply_to(client, large()) == large());
    return client.ring_bytes() == limits::ring_bytes_grown;
  }));
}

class OneRing : public GrowingRings {
 protected:
  OneRing() : GrowingRings({.rings_max = 1, .ring_grants_per_second = 1'000'000}) {}
};

// Others ask all the time, and would have it in between.
TEST_F(OneRing, GrowsInItsOwnPlace) {
  server_.run();
  for (int round = 0; round < 3; ++round) {
    Client client = server_.connect(eager());
    ASSERT_TRUE(reach_ring(client)) << client.ring_refusal();
    std::atomic<bool> ends = false;
    std::thread others([&] {
      RawRing other(server_.path());
      for (std::uint64_t id = 1; !ends; ++id) {
        other.say(RawRing::Step::ask, id);
        if (other.hear().step != RawRing::Step::refuse) ADD_FAILURE() << "it was to be had";
      }
    });
    EXPECT_TRUE(grow(client, limits::ring_bytes_grown)) << client.ring_refusal();
    ends = true;
    others.join();
    client = Client(server_.connect());
    EXPECT_TRUE(eventually([&] { return server_->counts().connections == 1; }));
  }
}

// Of a raw client.

RawPeer::Bytes larger_wish(std::uint64_t id, std::uint64_t bytes) {
  RawPeer::Bytes frame(wire::encoded_upgrade_bytes_max);
  const wire::Upgrade wish{.step = RawRing::Step::ask, .capacity_bytes = bytes, .reason = {}};
  frame.resize(wire::encode_upgrade(id, wish, frame.data()));
  return frame;
}

/// Asks for a larger one in the ring.
bool ask_for_larger(RawRing& ring, std::uint64_t id, std::uint64_t bytes = 2 * smallest) {
  return ring.write(larger_wish(id, bytes));
}

/// What the server says to that in its ring.
std::string refusal_in_ring(RawRing& ring) {
  const auto frame = ring.read();
  if (!frame || frame->header.kind != wire::Kind::upgrade) return "no UPGRADE";
  const auto step = wire::decode_upgrade(frame->body);
  if (!step || step->step != RawRing::Step::refuse) return "no refusal";
  return std::string(step->reason);
}

TEST_F(OneRing, IsTakenBackAndGrantedStepByStep) {
  server_.run();
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  EXPECT_EQ(ring.echo(1, "in the small one"), "in the small one");
  EXPECT_TRUE(ask_for_larger(ring, 2));
  const auto revoke = ring.peer.read(wire::Kind::revoke);
  ASSERT_TRUE(revoke);
  EXPECT_TRUE(eventually([&] { return server_->counts().rings == 0; }));
  RawRing other(server_.path());
  other.say(RawRing::Step::ask);
  EXPECT_EQ(other.hear().reason, "the server has 1, its limit");
  EXPECT_TRUE(ring.peer.send(RawPeer::frame(revoke->header)));
  const auto grant = ring.hear();
  EXPECT_EQ(grant.step, RawRing::Step::grant);
  EXPECT_EQ(grant.capacity_bytes, 2 * smallest);
  EXPECT_TRUE(ring.peer.send(RawPeer::call(2, 0, "echo", "between")));
  EXPECT_EQ(ring.peer.read(wire::Kind::reply)->payload(), "between");
  EXPECT_TRUE(ring.say(RawRing::Step::refuse, 2));  // we have changed our mind
  ring.renew();
  ASSERT_TRUE(ring.reach(3));
  EXPECT_EQ(ring.echo(3, "in another"), "in another");
  EXPECT_TRUE(ask_for_larger(ring, 4));
  ASSERT_TRUE(ring.peer.read(wire::Kind::revoke));
  ring.peer.close();  // on the way from one to the next
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 1; }));
  EXPECT_TRUE(other.reach(2));
  EXPECT_EQ(other.echo(1, "of another"), "of another");
}

TEST_F(GrowingRings, AreRefusedWhatIsNoLarger) {
  server_.run();
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  for (std::uint64_t id = 2; id < 5; ++id) {
    EXPECT_TRUE(ask_for_larger(ring, id, smallest + id));
    EXPECT_EQ(refusal_in_ring(ring), "the server takes none that is larger");
  }
  EXPECT_EQ(ring.echo(1, "goes on"), "goes on");
}

TEST_F(GrowingRings, EndWithWhoAsksTwice) {
  server_.run();
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  // At once: behind the first one the server may read no further.
  RawPeer::Bytes wishes = larger_wish(2, 2 * smallest);
  const RawPeer::Bytes second = larger_wish(3, 2 * smallest);
  wishes.insert(wishes.end(), second.begin(), second.end());
  EXPECT_TRUE(ring.write(wishes));
  EXPECT_TRUE(ring.peer.is_closed());
  EXPECT_TRUE(eventually([&] { return server_->counts().breaches == 1; }));
}

// It says that it has moved and reads nothing, not even that it may.
TEST_F(OneRing, IsNotTakenBackFromWhoWasNotYetTold) {
  server_.run();
  RawRing ring(server_.path());
  const std::string large(60'000, 'x');
  for (std::uint64_t i = 1; i <= 10; ++i) {  // more than the socket has room for
    EXPECT_TRUE(ring.peer.send(RawPeer::call(i, static_cast<std::uint16_t>(i), "echo", large)));
  }
  EXPECT_TRUE(ring.say(RawRing::Step::ask));
  RawRing other(server_.path());
  std::uint64_t id = 0;
  EXPECT_TRUE(eventually([&] {  // until the first has the only place
    other.say(RawRing::Step::ask, ++id);
    if (other.hear().step == RawRing::Step::refuse) return true;
    other.say(RawRing::Step::refuse, id);
    return false;
  }));
  EXPECT_TRUE(ring.say(RawRing::Step::offer));
  EXPECT_TRUE(ring.say(RawRing::Step::moved));
  EXPECT_TRUE(ask_for_larger(ring, 2));
  // Before its answers are read: then it could say that it accepts, and be told so.
  ASSERT_TRUE(eventually([&] { return ring.end->is_drained_by_peer(); }));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(ring.peer.read(wire::Kind::reply));
  EXPECT_EQ(ring.hear().step, RawRing::Step::grant);
  EXPECT_EQ(ring.hear().step, RawRing::Step::accept);
  EXPECT_EQ(refusal_in_ring(ring), "not now");
  EXPECT_EQ(ring.echo(11, "goes on"), "goes on");
}

class OneRingAtATime : public GrowingRings {
 protected:
  OneRingAtATime() : GrowingRings({.rings_max = 1, .handshake_deadline = 50ms}) {}
};

// The client asks for a larger one and sleeps.
TEST_F(OneRingAtATime, GoesToOthersWhenItsClientDoesNotFollow) {
  server_.run();
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  EXPECT_TRUE(ask_for_larger(ring, 2));
  const auto revoke = ring.peer.read(wire::Kind::revoke);
  ASSERT_TRUE(revoke);
  RawRing other(server_.path());
  std::uint64_t id = 0;
  EXPECT_TRUE(eventually([&] {
    other.say(RawRing::Step::ask, ++id);
    return other.hear().step == RawRing::Step::grant;
  }));
  const auto refusal = ring.hear();
  EXPECT_EQ(refusal.step, RawRing::Step::refuse);
  EXPECT_EQ(refusal.reason, "the last one was not left in time");
  EXPECT_TRUE(ring.peer.send(RawPeer::frame(revoke->header)));
  EXPECT_TRUE(ring.peer.send(RawPeer::call(1, 0, "echo", "on the socket")));
  EXPECT_EQ(ring.peer.read(wire::Kind::reply)->payload(), "on the socket");
}

}  // namespace
}  // namespace tincan::test
