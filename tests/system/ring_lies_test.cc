// Clients whose shared memory lies, or whose socket says beside a ring what cannot be (promise 14).

#include <gtest/gtest.h>

#include <functional>

#include "system/raw_ring.h"
#include "system/ring_client.h"

namespace tincan::test {
namespace {

struct Lie {
  const char* name;
  std::function<void(RawRing&)> tell;
};

class RingLies : public LastingRings, public ::testing::WithParamInterface<Lie> {};

TEST_P(RingLies, EndThatConnectionAndNoOther) {
  server_.run();
  Client bystander = server_.connect(eager());
  ASSERT_TRUE(reach_ring(bystander));
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  ASSERT_EQ(ring.echo(1, "honest"), "honest");
  GetParam().tell(ring);
  ring.ring();
  EXPECT_TRUE(ring.peer.is_closed());
  EXPECT_EQ(reply_to(bystander, "goes on"), "goes on");
  EXPECT_GT(bystander.ring_bytes(), 0u);
  EXPECT_TRUE(eventually([&] { return server_->counts().rings == 1; }));
  // We may have looked at its words again ourselves.
  EXPECT_TRUE(eventually([&] { return ring.pages_bytes() <= 4096; }));
}

RawPeer::Bytes bare(wire::Kind kind, std::uint64_t id, std::uint16_t descriptors = 0) {
  return RawPeer::frame(
      {.body_bytes = 0, .kind = kind, .flags = 0, .descriptors = descriptors, .id = id});
}

/// Which makes the server look for room.
void have_ring_filled(RawRing& ring, std::uint64_t first) {
  const std::string large(60'000, 'x');
  for (std::uint64_t sequence = first; sequence < first + 5; ++sequence) {
    ring.write(RawPeer::call(sequence, static_cast<std::uint16_t>(sequence), "echo", large));
  }
}

INSTANTIATE_TEST_SUITE_P(
    , RingLies,
    ::testing::Values(
        Lie{"produced_beyond_the_ring",
            [](RawRing& ring) {
              ring.memory->words().produced = ring.end->written() + RawRing::capacity + 1;
            }},
        Lie{"produced_beyond_all", [](RawRing& ring) { ring.memory->words().produced = ~0ull; }},
        Lie{"produced_backwards", [](RawRing& ring) { ring.memory->words().produced = 1; }},
        Lie{"nonsense_in_the_ring",
            [](RawRing& ring) { ring.write(RawPeer::Bytes(1000, std::byte{0xAB})); }},
        Lie{"consumed_beyond_what_was_published",
            [](RawRing& ring) {
              ring.memory->words().consumed = ring.end->consumed() + (1 << 20);
              have_ring_filled(ring, 2);
            }},
        Lie{"consumed_backwards",
            [](RawRing& ring) {
              const std::string large(60'000, 'x');
              for (std::uint64_t sequence = 2; sequence < 8; ++sequence) {
                EXPECT_EQ(ring.echo(sequence, large), large);
              }
              ring.memory->words().consumed = 1;
              have_ring_filled(ring, 8);
            }},
        Lie{"descriptors_that_were_not_sent",
            [](RawRing& ring) {
              ring.end->announce_descriptors();
              ring.write(RawPeer::call(2, 0, "echo"));
            }},
        Lie{"descriptors_for_what_was_read",
            [](RawRing& ring) { ring.peer.send_with(bare(wire::Kind::upgrade, 0, 1), {0}); }},
        Lie{"descriptors_announced_and_not_there",
            [](RawRing& ring) { ring.peer.send(bare(wire::Kind::upgrade, 1 << 20, 1)); }},
        Lie{"two_sets_for_nothing",
            [](RawRing& ring) {
              ring.peer.send_with(bare(wire::Kind::upgrade, 1 << 20, 1), {0});
              ring.peer.send_with(bare(wire::Kind::upgrade, 1 << 21, 1), {0});
            }},
        Lie{"bytes_on_the_socket",
            [](RawRing& ring) { ring.peer.send(RawPeer::Bytes(64, std::byte{0})); }},
        Lie{"another_frame_on_the_socket",
            [](RawRing& ring) { ring.peer.send(bare(wire::Kind::ping, 1)); }},
        Lie{"revocation_of_what_was_not_published",
            [](RawRing& ring) { ring.peer.send(bare(wire::Kind::revoke, ~0ull)); }},
        Lie{"revocation_of_what_was_taken",
            [](RawRing& ring) { ring.peer.send(bare(wire::Kind::revoke, 0)); }},
        // Only the server revokes.
        Lie{"revocation_by_a_client",
            [](RawRing& ring) {
              ring.memory->words().sleep = ring::ring_revoked;
              ring.peer.send(bare(wire::Kind::revoke, ring.end->consumed()));
            }}),
    [](const auto& one) { return std::string(one.param.name); });

// A client that stays silent about it: nothing is written to it any more, and nobody else waits.
TEST_F(Rings, OfAClientThatSaysInItsMemoryAloneThatItRevokesHoldNobodyUp) {
  server_.run();
  RawRing ring(server_.path());
  ASSERT_TRUE(ring.reach());
  ring.memory->words().sleep = ring::ring_revoked;
  for (std::uint64_t sequence = 1; sequence < 10; ++sequence) {
    ring.write(RawPeer::call(sequence, static_cast<std::uint16_t>(sequence), "echo", "x"));
  }
  Client bystander = server_.connect(eager());
  ASSERT_TRUE(reach_ring(bystander));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(reply_to(bystander, "goes on"), "goes on");
}

}  // namespace
}  // namespace tincan::test
