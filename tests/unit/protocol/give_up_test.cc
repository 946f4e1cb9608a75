#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::bytes_of;
using test::Call;
using test::fragment;
using test::Pair;
using test::Received;
using wire::test::id_of;
using wire::test::pattern;

TEST(GivingUp, ACallThatIsNotStartedDoesNothing) {
  Pair pair;
  Call call;
  EXPECT_TRUE(pair.client.session.give_up(call));
  pair.client.session.abandon(call);
  EXPECT_TRUE(pair.client.say().empty());
}

TEST(GivingUp, AQueuedCallLeavesNoTrace) {
  Pair pair({}, {.calls_in_flight_max = 1});
  Call first;
  Call queued;
  Call third;
  for (Call* const call : {&first, &queued, &third}) {
    ASSERT_TRUE(pair.client.session.start(*call));
  }
  EXPECT_TRUE(pair.client.session.give_up(queued));
  pair.echo();
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 2u);
  EXPECT_EQ(queued.ends, 0);
  EXPECT_TRUE(first.replied() && third.replied());
  ASSERT_TRUE(pair.client.session.start(queued));  // it is the caller's again
  pair.converse();
  EXPECT_TRUE(queued.replied());
}

TEST(GivingUp, HalfACallIsNotSent) {
  Pair pair;
  pair.echo();
  {
    Call half("m", pattern(10 * fragment));  // gone, with its payload, as soon as it is given up
    ASSERT_TRUE(pair.client.session.start(half));
    ASSERT_TRUE(pair.client.send(pair.server));
    EXPECT_TRUE(pair.client.session.give_up(half));
    EXPECT_EQ(half.ends, 0);
  }
  EXPECT_EQ(pair.client.session.calls_in_flight(), 1u);  // until the server has let go of it
  pair.converse();
  EXPECT_EQ(pair.client.session.calls_in_flight(), 0u);
  EXPECT_EQ(pair.server.session.calls_to_answer(), 0u);
  EXPECT_TRUE(pair.server.calls.empty());
  Call next("m", "next");
  ASSERT_TRUE(pair.client.session.start(next));
  pair.converse();
  EXPECT_EQ(next.reply(), "next");
}

TEST(GivingUp, HalfAOneWayCallIsNotSent) {
  Pair pair({}, {.calls_in_flight_max = 1});
  for (int i = 0; i < 5; ++i) {
    Call half("m", pattern(10 * fragment));
    half.one_way = true;
    ASSERT_TRUE(pair.client.session.start(half));
    ASSERT_TRUE(pair.client.send(pair.server));
    EXPECT_TRUE(pair.client.session.give_up(half));
    pair.converse();
    EXPECT_EQ(half.ends, 0);
  }
  EXPECT_TRUE(pair.server.calls.empty());
  EXPECT_FALSE(pair.server.failure);
}

// Both sides number their calls alike, so a reply under way may have the id of the call given up.
TEST(GivingUp, HalfACallIsNotMistakenForAReplyWithItsId) {
  Pair pair;
  Call theirs("m");
  ASSERT_TRUE(pair.server.session.start(theirs));
  ASSERT_TRUE(pair.server.send(pair.client));
  pair.client.session.reply(id_of(0, 1), bytes_of(pattern(10 * fragment)), {});
  {
    Call ours("m", pattern(10 * fragment, 2));
    ASSERT_TRUE(pair.client.session.start(ours));
    while (pair.client.session.calls_in_flight() == 0) ASSERT_TRUE(pair.client.send(pair.server));
    EXPECT_TRUE(pair.client.session.give_up(ours));
  }
  pair.converse();
  EXPECT_FALSE(pair.server.failure) << pair.server.failure->detail();
  EXPECT_TRUE(theirs.reply() == pattern(10 * fragment));
  EXPECT_TRUE(pair.server.calls.empty());
}

TEST(GivingUp, AWholeCallThatIsNotWrittenTurnsItIntoOneThatHasExpired) {
  for (const bool one_way : {false, true}) {
    for (const std::int64_t clock :
         {std::int64_t{0}, std::int64_t{1} << 60, -(std::int64_t{1} << 60)}) {
      Pair pair({.clock_offset_nanoseconds = clock});
      Call call;
      call.one_way = one_way;
      ASSERT_TRUE(pair.client.session.start(call));
      EXPECT_TRUE(pair.client.session.give_up(call));
      pair.converse();
      EXPECT_TRUE(pair.server.calls.empty());
      EXPECT_EQ(call.ends, 0);
      EXPECT_EQ(pair.client.session.calls_in_flight(), 0u);
      EXPECT_FALSE(pair.client.failure || pair.server.failure);
    }
  }
}

/// Gives a call up when its first `written` bytes are written. True: not sent, says the session.
/// What the server then ran is in `runs`.
bool give_up_after(std::size_t written, std::size_t& runs) {
  Pair pair;
  Call call("method", "payload");
  EXPECT_TRUE(pair.client.session.start(call));
  EXPECT_EQ(written > 0, written > 0 && pair.client.send(pair.server, written));
  const bool not_sent = pair.client.session.give_up(call);
  pair.converse();
  runs = pair.server.calls.size();
  EXPECT_EQ(pair.server.cancelled.size(), runs);
  EXPECT_FALSE(pair.client.failure || pair.server.failure);
  return not_sent;
}

TEST(GivingUp, TellsTheTruthAtEveryWrittenByte) {
  Pair pair;
  Call call("method", "payload");
  ASSERT_TRUE(pair.client.session.start(call));
  const std::size_t bytes = pair.client.session.output().bytes.size();
  std::size_t runs;
  std::size_t patched = 0;
  for (std::size_t written = 0; written < bytes; ++written) {
    const bool not_sent = give_up_after(written, runs);
    EXPECT_EQ(runs, not_sent ? 0u : 1u) << written;
    if (not_sent) ++patched;
  }
  // Up to its deadline, which lies behind the header, the prologue's length, and the method.
  EXPECT_EQ(patched, 16u + 2 + (2 + 6) + 2 + 1);
}

TEST(GivingUp, AWrittenCallTellsTheServerAndTakesItsVerdict) {
  Pair pair;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  int tag = 0;
  pair.server.session.tag(pair.server.calls[0].id, &tag);
  EXPECT_FALSE(pair.client.session.give_up(call));
  EXPECT_FALSE(pair.client.session.give_up(call));
  pair.converse();
  EXPECT_EQ(pair.server.cancelled, std::vector<void*>{&tag});
  EXPECT_EQ(call.ends, 0);
  pair.server.session.fail(pair.server.calls[0].id, {.reason = wire::Reason::cancelled});
  pair.converse();
  EXPECT_TRUE(call.failed(Outcome::not_sent, Cause::cancelled));
}

TEST(GivingUp, AndAbandoningLetsTheAnswerComeForNobody) {
  Pair pair;
  {
    Call call;
    ASSERT_TRUE(pair.client.session.start(call));
    pair.converse();
    EXPECT_FALSE(pair.client.session.give_up(call));
    pair.client.session.abandon(call);
    EXPECT_EQ(call.ends, 0);
  }
  EXPECT_EQ(pair.client.session.calls_in_flight(), 1u);
  pair.server.session.reply(pair.server.calls[0].id, bytes_of(pattern(3 * fragment)), {});
  pair.converse();
  EXPECT_EQ(pair.client.session.calls_in_flight(), 0u);
  EXPECT_FALSE(pair.client.failure);
}

TEST(GivingUp, AOneWayCallThatIsPartlyWrittenFinishesIt) {
  Pair pair;
  Call call("method", "payload");
  call.one_way = true;
  ASSERT_TRUE(pair.client.session.start(call));
  const std::size_t bytes = pair.client.session.output().bytes.size();
  ASSERT_TRUE(pair.client.send(pair.server, bytes - 1));
  EXPECT_FALSE(pair.client.session.give_up(call));
  pair.converse();
  EXPECT_EQ(call.ends, 1);
  EXPECT_EQ(pair.server.calls.size(), 1u);
}

TEST(GivingUp, AfterTheAnswerCrossedItOnTheWayHurtsNobody) {
  Pair pair;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  pair.server.session.reply(pair.server.calls[0].id, {}, {});
  EXPECT_FALSE(pair.client.session.give_up(call));
  pair.converse();
  EXPECT_TRUE(call.replied());
  EXPECT_TRUE(pair.server.cancelled.empty());
  EXPECT_FALSE(pair.server.failure);
}

// Whatever stage it is in, the session forgets it: its memory may go.
TEST(Abandoning, TakesACallBackFromEveryStage) {
  for (const bool one_way : {false, true}) {
    for (int stage = 0; stage < 4; ++stage) {
      Pair pair({}, {.calls_in_flight_max = 2, .incoming_bytes_max = UINT64_MAX});
      pair.echo();
      Call filling("m", pattern(10 * fragment));
      Call behind("m", "behind");
      ASSERT_TRUE(pair.client.session.start(filling));
      {
        Call call("m", stage == 1 ? pattern(10 * fragment) : "small");
        call.one_way = one_way;
        if (stage != 0) pair.converse();  // or it is queued, for there is no room
        ASSERT_TRUE(pair.client.session.start(call));
        if (stage == 3) pair.client.send(pair.server, 5);
        ASSERT_TRUE(pair.client.session.start(behind));
        pair.client.session.abandon(call);
        EXPECT_EQ(call.ends, 0);
      }
      pair.converse();
      EXPECT_FALSE(pair.client.failure || pair.server.failure) << stage;
      EXPECT_TRUE(filling.replied() && behind.replied()) << stage << one_way;
      EXPECT_EQ(pair.client.session.calls_in_flight(), 0u) << stage;
    }
  }
}

}  // namespace
}  // namespace tincan::protocol
