// The places that a server has for rings, in whatever order one is left and the next asked for.

#include <gtest/gtest.h>

#include <initializer_list>

#include "system/raw_ring.h"
#include "system/ring_client.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

RawPeer::Bytes in_a_row(std::initializer_list<RawPeer::Bytes> frames) {
  RawPeer::Bytes bytes;
  for (const auto& frame : frames) bytes.insert(bytes.end(), frame.begin(), frame.end());
  return bytes;
}

RawPeer::Bytes beside_a_ring(wire::Kind kind, std::uint64_t position,
                             std::uint16_t descriptors = 0) {
  return RawPeer::frame(
      {.body_bytes = 0, .kind = kind, .flags = 0, .descriptors = descriptors, .id = position});
}

RawPeer::Bytes wish_for_larger(std::uint64_t id) {
  RawPeer::Bytes frame(wire::encoded_upgrade_bytes_max);
  frame.resize(wire::encode_upgrade(
      id, {.step = RawRing::Step::ask, .capacity_bytes = 2 * RawRing::capacity, .reason = {}},
      frame.data()));
  return frame;
}

/// With one place, whose ring is taken back at once when it lies idle.
class OnePlace : public Rings {
 protected:
  explicit OnePlace(std::chrono::milliseconds ring_idle = 20ms)
      : Rings({.descriptors_max = 1,
               .rings_max = 1,
               .ring_grants_per_second = 1'000'000,
               .ring_idle = ring_idle}) {}

  /// Until the server has taken the ring back, and its place is free. Where it is read to.
  std::uint64_t await_end(RawRing& ring) {
    const auto revoke = ring.peer.read(wire::Kind::revoke);
    if (!revoke) ADD_FAILURE() << "it is not taken back";
    EXPECT_TRUE(eventually([&] { return server_->counts().rings == 0; }));
    return revoke ? revoke->header.id : 0;
  }
  /// Asks for a larger one in what is sent again, before the byte whose descriptors are there
  /// already: so the client published both before it heard that the ring is taken back.
  static void follow_with_wish(RawRing& ring, std::uint64_t end, std::uint64_t id,
                               std::uint64_t sequence = 1) {
    const auto wish = wish_for_larger(id);
    EXPECT_TRUE(ring.peer.send_with(beside_a_ring(wire::Kind::upgrade, end + wish.size(), 1),
                                    {STDIN_FILENO}));
    const auto call = RawPeer::call(sequence, 0, "tincan.ping", "with a descriptor", 0, {}, 1);
    EXPECT_TRUE(ring.peer.send(in_a_row({beside_a_ring(wire::Kind::revoke, end), wish, call})));
  }
  /// A client that insists on it gets the only place there is.
  void expect_one_place() {
    const auto client = Client::connect(
        server_.path(), {.connect_deadline = patience, .transport = Transport::ring});
    EXPECT_TRUE(client) << client.error().explain();
    EXPECT_EQ(server_->counts().rings, 1u);
    RawRing other(server_.path());
    other.say(RawRing::Step::ask);
    EXPECT_EQ(other.hear().reason, "the server has 1, its limit");
  }
};

TEST_F(OnePlace, IsTakenOnceMoreByAWishThatComesWhenTheRingIsGivenBack) {
  server_.run();
  RawRing ring(server_.path());
  for (std::uint64_t round = 1; round < 4; ++round) {
    const std::uint64_t wish = 2 * round;
    ring.renew();
    ASSERT_TRUE(ring.reach(wish - 1));
    follow_with_wish(ring, await_end(ring), wish, round);
    ASSERT_EQ(ring.hear().step, RawRing::Step::grant);
    RawRing other(server_.path());
    other.say(RawRing::Step::ask);
    EXPECT_EQ(other.hear().reason, "the server has 1, its limit");
    EXPECT_TRUE(ring.say(RawRing::Step::refuse, wish));
  }
  ring.peer.close();
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 0; }));
  expect_one_place();
}

TEST_F(OnePlace, IsNotGrantedToSuchAWishWhenItIsTakenByThen) {
  server_.run();
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  const std::uint64_t end = await_end(ring);
  RawRing other(server_.path());
  other.say(RawRing::Step::ask);
  ASSERT_EQ(other.hear().step, RawRing::Step::grant);
  follow_with_wish(ring, end, 2);
  EXPECT_EQ(ring.hear().reason, "the server has 1, its limit");
  EXPECT_TRUE(other.say(RawRing::Step::refuse));
  other.peer.close();
  ring.peer.close();
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 0; }));
  expect_one_place();
}

/// Answers with a descriptor, each of which takes room at the socket beside the ring.
class OnePlaceBesideAFullSocket : public OnePlace {
 protected:
  OnePlaceBesideAFullSocket() : OnePlace(1h) {
    server_->on("give", [](Request request) {
      std::vector<Descriptor> given;
      given.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      EXPECT_TRUE(request.reply(request.payload(), given));
    });
  }
  /// Has the server send so many that it cannot say REVOKE when it takes the ring back, as it does
  /// at once.
  static void fill_socket_and_ask_for_larger(RawRing& ring) {
    RawPeer::Bytes calls;
    for (std::uint16_t slot = 0; slot < 700; ++slot) {
      calls = in_a_row({calls, RawPeer::call(slot + 1u, slot, "give")});
    }
    EXPECT_TRUE(ring.write(in_a_row({calls, wish_for_larger(2)})));
  }
};

TEST_F(OnePlaceBesideAFullSocket, IsTakenFromWhoAnswersBeforeHeIsTold) {
  server_.run();
  RawRing ring(server_.path(), 1);
  ASSERT_TRUE(ring.reach());
  fill_socket_and_ask_for_larger(ring);
  ASSERT_TRUE(eventually([&] { return server_->counts().rings == 0; }));
  // It can be seen in the memory alone, and guessed, that this is what it says next.
  EXPECT_TRUE(ring.peer.send(beside_a_ring(wire::Kind::revoke, ring.end->written())));
  EXPECT_TRUE(eventually([&] { return server_->counts().breaches == 1; }));
  EXPECT_TRUE(ring.peer.is_closed());
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 0; }));
  expect_one_place();
}

}  // namespace
}  // namespace tincan::test
