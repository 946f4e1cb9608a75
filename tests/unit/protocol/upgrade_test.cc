// UPGRADE, by which two sides agree on a ring, and the marks behind which a stream goes on there.

#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::Call;
using test::descriptors;
using test::fragment;
using test::Pair;
using test::Side;
using wire::Kind;
using wire::Upgrade;
using wire::test::Bytes;
using wire::test::frame;
using wire::test::id_of;
using wire::test::joined;
using wire::test::pattern;

using RingStep = Upgrade::Step;

constexpr Settings with_rings{.descriptors_max = 4, .abilities = wire::ability_ring};
constexpr RingStep all_steps[] = {RingStep::ask,   RingStep::grant,  RingStep::refuse,
                                  RingStep::offer, RingStep::accept, RingStep::moved};

Upgrade upgrade_of(RingStep step) { return {.step = step, .capacity_bytes = 0, .reason = {}}; }

void put(Side& side, RingStep step) {
  side.session.upgrade(7, upgrade_of(step), descriptors(Upgrade::descriptors_with(step)));
}

Bytes encoded(RingStep step) {
  Bytes bytes(wire::encoded_upgrade_bytes_max);
  bytes.resize(wire::encode_upgrade(7, upgrade_of(step), bytes.data()));
  return bytes;
}

TEST(Upgrade, BringsEachStepAndItsDescriptors) {
  for (const RingStep step : all_steps) {
    Pair pair(with_rings, with_rings);
    const std::size_t count = Upgrade::descriptors_with(step);
    pair.client.session.upgrade(
        9, {.step = step, .capacity_bytes = 4096, .reason = "for no reason"}, descriptors(count));
    pair.converse();
    ASSERT_EQ(pair.server.steps.size(), 1u);
    const auto& arrived = pair.server.steps.front();
    EXPECT_EQ(arrived.id, 9u);
    EXPECT_EQ(arrived.step, step);
    EXPECT_EQ(arrived.capacity_bytes, 4096u);
    EXPECT_EQ(arrived.reason, "for no reason");
    EXPECT_EQ(arrived.descriptors, count);
    EXPECT_FALSE(pair.server.failure);
  }
}

// They are the protocol's own: a side that takes none with calls takes those of a ring.
TEST(Upgrade, TakesDescriptorsWhereCallsMayHaveNone) {
  constexpr Settings without{.descriptors_max = 0, .abilities = wire::ability_ring};
  Pair pair(without, without);
  put(pair.client, RingStep::offer);
  pair.converse();
  ASSERT_EQ(pair.server.steps.size(), 1u);
  EXPECT_EQ(pair.server.steps.front().descriptors, 3u);
}

TEST(Upgrade, WithAnotherNumberOfDescriptorsEndsTheConnection) {
  for (const RingStep step : all_steps) {
    const std::uint16_t right = Upgrade::descriptors_with(step);
    for (std::uint16_t announced = 0; announced < 5; ++announced) {
      for (std::uint16_t arrived = 0; arrived < 5; ++arrived) {
        Side server(with_rings);
        Side client(with_rings);
        converse(client, server);
        Bytes bytes = encoded(step);
        std::memcpy(bytes.data() + offsetof(wire::FrameHeader, descriptors), &announced,
                    sizeof announced);
        server.take(bytes, descriptors(arrived));
        // Those of no frame are noticed when the next ones come.
        if (announced == 0) server.take(frame(Kind::ping, 1), descriptors(arrived > 0 ? 1 : 0));
        const bool fits = announced == right && arrived == right;
        EXPECT_EQ(server.breached(), !fits)
            << static_cast<int>(step) << ": " << announced << " announced, " << arrived;
      }
    }
  }
}

TEST(Upgrade, IsABreachUnlessBothSidesHaveTheAbility) {
  for (const bool ours : {false, true}) {
    for (const bool theirs : {false, true}) {
      Pair pair({.abilities = ours ? std::uint64_t{wire::ability_ring} : 0},
                {.abilities = theirs ? std::uint64_t{wire::ability_ring} : 0});
      EXPECT_EQ(pair.client.session.may(wire::ability_ring), ours && theirs);
      pair.server.take(encoded(RingStep::ask));
      EXPECT_EQ(pair.server.breached(), !(ours && theirs));
      EXPECT_EQ(pair.server.steps.size(), ours && theirs ? 1u : 0u);
    }
  }
}

TEST(Upgrade, BeforeHelloIsABreach) {
  Side server(with_rings);
  server.take(joined({wire::test::bytes_of(wire::preamble), encoded(RingStep::ask)}));
  EXPECT_TRUE(server.breached());
}

TEST(Upgrade, OfNoKnownStepIsABreach) {
  const Bytes bodies[] = {
      {},                                                      // no step
      {std::byte{1}, std::byte{1}, std::byte{0}},              // below the first
      {std::byte{1}, std::byte{1}, std::byte{7}},              // beyond the last
      {std::byte{1}, std::byte{2}, std::byte{1}, std::byte{}}  // of another size
  };
  for (const Bytes& body : bodies) {
    Pair pair(with_rings, with_rings);
    pair.server.take(frame(Kind::upgrade, 1, body));
    EXPECT_TRUE(pair.server.breached());
    EXPECT_TRUE(pair.server.steps.empty());
  }
}

TEST(Upgrade, ThatTheReceiverObjectsToEndsTheConnectionWithItsWords) {
  Pair pair(with_rings, with_rings);
  pair.server.objection = "not like this";
  put(pair.client, RingStep::ask);
  pair.converse();
  ASSERT_TRUE(pair.server.breached());
  EXPECT_NE(pair.server.failure->detail().find("not like this"), std::string::npos);
}

TEST(Upgrade, MarkWithBytesBehindItIsABreach) {
  for (const RingStep step : all_steps) {
    const bool is_mark = Upgrade::ends_the_stream(step);
    Pair pair(with_rings, with_rings);
    pair.server.take(joined({encoded(step), frame(Kind::ping, 1)}),
                     descriptors(Upgrade::descriptors_with(step)));
    EXPECT_EQ(pair.server.breached(), is_mark) << static_cast<int>(step);
  }
}

TEST(Upgrade, MarkEndsNothingButTheStreamBeforeIt) {
  Pair pair(with_rings, with_rings);
  pair.server.take(encoded(RingStep::moved), descriptors(1));
  pair.server.take(joined({frame(Kind::ping, 1), frame(Kind::ping, 2)}));  // out of the ring
  EXPECT_FALSE(pair.server.failure);
  EXPECT_EQ(pair.server.say_kinds(), (std::vector<std::string>{"pong", "pong"}));
}

TEST(Upgrade, MarkStopsTheOutboxUntilItIsToGoOn) {
  Pair pair(with_rings, with_rings);
  Outbox& outbox = pair.client.session.outbox();
  put(pair.client, RingStep::moved);
  Call behind("m", "behind");
  behind.descriptors = descriptors(2);
  ASSERT_TRUE(pair.client.session.start(behind));
  EXPECT_FALSE(outbox.is_stopped());  // the mark is not written yet
  pair.converse();
  EXPECT_TRUE(outbox.is_stopped());
  EXPECT_TRUE(pair.client.session.output().bytes.empty());
  EXPECT_GT(pair.client.session.unsent_bytes(), 0u);
  EXPECT_EQ(pair.server.steps.size(), 1u);
  EXPECT_TRUE(pair.server.calls.empty());
  outbox.go_on();
  EXPECT_FALSE(outbox.is_stopped());
  pair.converse();
  ASSERT_EQ(pair.server.calls.size(), 1u);
  EXPECT_EQ(pair.server.calls.front().payload, "behind");
  EXPECT_EQ(pair.server.calls.front().descriptors.size(), 2u);
}

TEST(Upgrade, MarkGoesOutByItselfHoweverMuchStandsAroundIt) {
  Pair pair(with_rings, with_rings);
  Call before("m", "before");
  Call behind("m", "behind");
  ASSERT_TRUE(pair.client.session.start(before));
  put(pair.client, RingStep::moved);
  ASSERT_TRUE(pair.client.session.start(behind));
  ASSERT_TRUE(pair.client.send(pair.server));
  EXPECT_EQ(pair.server.calls.size(), 1u);
  EXPECT_TRUE(pair.server.steps.empty());
  ASSERT_TRUE(pair.client.send(pair.server));
  EXPECT_EQ(pair.server.steps.size(), 1u);
  EXPECT_FALSE(pair.client.send(pair.server));
}

TEST(Upgrade, MarkThatIsWrittenByteByByteIsOneAllTheSame) {
  Pair pair(with_rings, with_rings);
  put(pair.client, RingStep::moved);
  Call behind("m", "behind");
  ASSERT_TRUE(pair.client.session.start(behind));
  while (pair.client.send(pair.server, 1)) {
  }
  EXPECT_EQ(pair.server.steps.size(), 1u);
  EXPECT_TRUE(pair.client.session.outbox().is_stopped());
  pair.client.session.outbox().go_on();
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 1u);
}

TEST(Upgrade, MarkBetweenTheFragmentsOfACallAndOfItsReplyChangesNeither) {
  const std::string text = pattern(7 * fragment + 11);
  Pair pair(with_rings, with_rings);
  pair.echo();
  Call large("m", text);
  ASSERT_TRUE(pair.client.session.start(large));
  ASSERT_TRUE(pair.client.send(pair.server, fragment / 2));
  put(pair.client, RingStep::moved);
  pair.converse();
  ASSERT_TRUE(pair.client.session.outbox().is_stopped());
  EXPECT_TRUE(pair.server.calls.empty());
  pair.client.session.outbox().go_on();
  while (pair.client.send(pair.server) || pair.server.resume()) {
  }
  ASSERT_EQ(pair.server.calls.size(), 1u);
  ASSERT_TRUE(pair.server.send(pair.client, 100));
  put(pair.server, RingStep::accept);
  pair.converse();
  EXPECT_FALSE(large.result);
  pair.server.session.outbox().go_on();
  pair.converse();
  EXPECT_TRUE(large.reply() == text);
}

// What is said of a call is about what was written, wherever that went.
TEST(Upgrade, MarkLeavesWhatStandsBehindItNotSent) {
  Pair pair(with_rings, with_rings);
  Call before("m", "before");
  Call behind("m", "behind");
  ASSERT_TRUE(pair.client.session.start(before));
  put(pair.client, RingStep::moved);
  ASSERT_TRUE(pair.client.session.start(behind));
  pair.converse();
  pair.client.session.end(Failure(Cause::closed));
  EXPECT_TRUE(before.failed(Outcome::unknown, Cause::closed));
  EXPECT_TRUE(behind.failed(Outcome::not_sent, Cause::closed));
}

}  // namespace
}  // namespace tincan::protocol
