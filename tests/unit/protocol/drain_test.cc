#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::bytes_of;
using test::Call;
using test::fragment;
using test::Pair;
using wire::Kind;
using wire::test::frame;
using wire::test::id_of;
using wire::test::pattern;

TEST(Drain, SaysHowManyCallsWereAccepted) {
  Pair pair;
  std::deque<Call> calls(3);
  calls[1].one_way = true;
  for (Call& call : calls) ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  pair.server.session.drain();
  pair.server.session.drain();
  EXPECT_EQ(pair.server.say(), frame(Kind::drain, 3));
}

TEST(Drain, FinishesWhatWasAcceptedAndNothingElse) {
  Pair pair({}, {.calls_in_flight_max = 3});
  Call accepted("m", "1");
  Call on_its_way("m", "2");
  Call one_way_on_its_way("m", "3");
  one_way_on_its_way.one_way = true;
  Call last_slot("m", "4");
  Call queued("m", "5");
  ASSERT_TRUE(pair.client.session.start(accepted));
  pair.converse();
  for (Call* const call : {&on_its_way, &one_way_on_its_way, &last_slot, &queued}) {
    ASSERT_TRUE(pair.client.session.start(*call));
  }
  pair.server.session.drain();
  ASSERT_TRUE(pair.server.send(pair.client));
  EXPECT_TRUE(pair.client.drained);
  for (const Call* const call : {&on_its_way, &one_way_on_its_way, &last_slot, &queued}) {
    EXPECT_TRUE(call->failed(Outcome::not_sent, Cause::draining));
  }
  Call refused;
  EXPECT_EQ(pair.client.session.start(refused).error().cause(), Cause::draining);
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 1u);
  EXPECT_EQ(pair.server.session.calls_to_answer(), 1u);
  EXPECT_EQ(accepted.ends, 0);
  pair.server.session.reply(pair.server.calls[0].id, bytes_of("done"), {});
  pair.converse();
  EXPECT_EQ(accepted.reply(), "done");
  EXPECT_EQ(pair.client.session.calls_in_flight(), 0u);
  EXPECT_FALSE(pair.client.failure || pair.server.failure);
}

TEST(Drain, LetsCallsInPiecesFinishThatHadBegun) {
  for (const bool one_way : {false, true}) {
    Pair pair({.outgoing_bytes_pause = UINT64_MAX});
    Call begun("m", pattern(10 * fragment));
    Call too_late("m", pattern(10 * fragment));
    begun.one_way = too_late.one_way = one_way;
    ASSERT_TRUE(pair.client.session.start(begun));
    ASSERT_TRUE(pair.client.send(pair.server));
    ASSERT_TRUE(pair.client.session.start(too_late));
    pair.server.session.drain();
    ASSERT_TRUE(pair.server.send(pair.client));
    pair.converse();
    EXPECT_TRUE(too_late.failed(Outcome::not_sent, Cause::draining));
    ASSERT_EQ(pair.server.calls.size(), 1u);
    EXPECT_TRUE(pair.server.calls[0].payload == pattern(10 * fragment));
    EXPECT_FALSE(pair.server.failure);
  }
}

TEST(Drain, DropsTheRestOfCallsThatBeganTooLate) {
  Pair pair;
  Call too_late("m", pattern(10 * fragment));
  ASSERT_TRUE(pair.client.session.start(too_late));
  pair.server.session.drain();
  // The client has not heard of it, and goes on.
  while (pair.client.send(pair.server)) {
  }
  EXPECT_FALSE(pair.server.failure);
  EXPECT_TRUE(pair.server.calls.empty());
  pair.converse();
  EXPECT_TRUE(too_late.failed(Outcome::not_sent, Cause::draining));
}

// The later call, being small, was whole before the earlier one, which is large and accepted.
TEST(Drain, EndsOneWayCallsBehindTheCountWhateverTheirOrder) {
  Pair pair;
  Call large("m", pattern(5 * fragment));
  Call small("m", "small");
  large.one_way = small.one_way = true;
  ASSERT_TRUE(pair.client.session.start(large));
  ASSERT_TRUE(pair.client.send(pair.server, 4 * fragment + 50));
  ASSERT_TRUE(pair.client.session.start(small));
  [[maybe_unused]] const auto both_are_whole_now = pair.client.session.output();
  pair.server.session.drain();
  ASSERT_TRUE(pair.server.send(pair.client));
  EXPECT_TRUE(small.failed(Outcome::not_sent, Cause::draining));
  pair.converse();
  EXPECT_TRUE(large.replied());
  ASSERT_EQ(pair.server.calls.size(), 1u);
}

TEST(Drain, FreesTheSlotsOfCallsGivenUpThatNobodyWillAnswer) {
  Pair pair;
  Call call;
  Call abandoned;
  ASSERT_TRUE(pair.client.session.start(call));
  ASSERT_TRUE(pair.client.session.start(abandoned));
  [[maybe_unused]] const auto written = pair.client.say();  // and lost in a server that drains
  EXPECT_FALSE(pair.client.session.give_up(call));
  EXPECT_FALSE(pair.client.session.give_up(abandoned));
  pair.client.session.abandon(abandoned);
  pair.server.session.drain();
  ASSERT_TRUE(pair.server.send(pair.client));
  EXPECT_TRUE(call.failed(Outcome::not_sent, Cause::draining));
  EXPECT_EQ(abandoned.ends, 0);
  EXPECT_EQ(pair.client.session.calls_in_flight(), 0u);
}

TEST(Drain, ThatLiesEndsTheConnection) {
  Pair pair;
  pair.client.take(frame(Kind::drain, 1));  // of calls that were not made
  EXPECT_TRUE(pair.client.breached());
  Pair twice;
  twice.client.take(frame(Kind::drain, 0));
  EXPECT_FALSE(twice.client.failure);
  twice.client.take(frame(Kind::drain, 0));
  EXPECT_TRUE(twice.client.breached());
}

TEST(Drain, WorksBothWaysAtOnce) {
  Pair pair;
  Call there;
  Call back;
  ASSERT_TRUE(pair.client.session.start(there));
  ASSERT_TRUE(pair.server.session.start(back));
  pair.converse();
  pair.client.session.drain();
  pair.server.session.drain();
  pair.converse();
  pair.client.session.reply(pair.client.calls[0].id, {}, {});
  pair.server.session.reply(pair.server.calls[0].id, {}, {});
  pair.converse();
  EXPECT_TRUE(there.replied() && back.replied());
}

TEST(Drain, StillClosesTheDescriptorsOfWhatItDrops) {
  Pair pair({}, {.descriptors_max = 1});
  pair.server.session.drain();
  std::vector<Descriptor> sent;
  sent.emplace_back(::dup(0));
  const int number = sent[0].get();
  pair.server.take(wire::test::call(id_of(0, 1), "m", {}, 0, 1), std::move(sent));
  EXPECT_FALSE(pair.server.failure);
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

}  // namespace
}  // namespace tincan::protocol
