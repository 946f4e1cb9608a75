#include "protocol/session.h"

#include <gtest/gtest.h>

#include <set>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::bytes_of;
using test::Call;
using test::Pair;
using test::Received;
using test::Side;
using wire::Kind;
using wire::test::id_of;
using wire::test::pattern;

wire::Error error(wire::Reason reason, std::string_view text = {}, std::int32_t code = 0) {
  return {.reason = reason, .code = code, .text = text};
}

TEST(Session, CarriesACallAndItsReply) {
  Pair pair;
  Call call("greet", "world");
  call.deadline = pair.client.time + std::chrono::seconds(2);
  call.idempotent = true;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  ASSERT_EQ(pair.server.calls.size(), 1u);
  const Received& got = pair.server.calls[0];
  EXPECT_EQ(got.method, "greet");
  EXPECT_EQ(got.payload, "world");
  EXPECT_EQ(got.deadline, call.deadline);
  EXPECT_TRUE(got.idempotent);
  EXPECT_FALSE(got.one_way);
  EXPECT_EQ(pair.server.session.calls_to_answer(), 1u);
  EXPECT_EQ(pair.client.session.calls_in_flight(), 1u);

  EXPECT_EQ(pair.server.session.reply(got.id, bytes_of("hello world"), {}), Delivery::queued);
  pair.converse();
  EXPECT_EQ(call.reply(), "hello world");
  EXPECT_EQ(call.ends, 1);
  EXPECT_EQ(pair.server.session.calls_to_answer(), 0u);
  EXPECT_EQ(pair.client.session.calls_in_flight(), 0u);
}

TEST(Session, CallsBothWaysWithTheSameIds) {
  Pair pair;
  pair.echo();
  pair.client.answer = [&](Received& call) {
    pair.client.session.reply(call.id, bytes_of("from the client"), {});
  };
  Call there("a", "x");
  Call back("b", "y");
  ASSERT_TRUE(pair.client.session.start(there));
  ASSERT_TRUE(pair.server.session.start(back));
  pair.converse();
  EXPECT_EQ(there.reply(), "x");
  EXPECT_EQ(back.reply(), "from the client");
  EXPECT_EQ(pair.client.calls[0].id, pair.server.calls[0].id);
}

TEST(Session, TakesAnswersInAnyOrder) {
  Pair pair;
  std::deque<Call> calls;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(pair.client.session.start(calls.emplace_back("m", std::to_string(i))));
  }
  pair.converse();
  ASSERT_EQ(pair.server.calls.size(), 10u);
  for (const int i : {7, 0, 9, 3, 4, 8, 1, 2, 6, 5}) {
    const Received& got = pair.server.calls[static_cast<std::size_t>(i)];
    EXPECT_EQ(got.payload, std::to_string(i));  // they arrive in the order in which they started
    pair.server.session.reply(got.id, bytes_of("r" + got.payload), {});
  }
  pair.converse();
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(calls[static_cast<std::size_t>(i)].reply(), "r" + std::to_string(i));
}

TEST(Session, MakesEveryReasonTheFailureItMeans) {
  using enum wire::Reason;
  const std::tuple<wire::Reason, Outcome, Cause> meanings[] = {
      {declared, Outcome::declared, Cause::declared},
      {dropped, Outcome::declared, Cause::declared},
      {threw, Outcome::declared, Cause::declared},
      {no_method, Outcome::not_sent, Cause::no_method},
      {refused, Outcome::not_sent, Cause::refused},
      {expired, Outcome::not_sent, Cause::deadline},
      {cancelled, Outcome::not_sent, Cause::cancelled},
      {exhausted, Outcome::not_sent, Cause::exhausted},
      {too_large, Outcome::not_sent, Cause::too_large},
      {draining, Outcome::not_sent, Cause::draining},
      {breach, Outcome::unknown, Cause::breach},
      {reply_lost, Outcome::declared, Cause::too_large}};
  for (const auto& [reason, outcome, cause] : meanings) {
    Pair pair;
    Call call;
    ASSERT_TRUE(pair.client.session.start(call));
    pair.converse();
    pair.server.session.fail(pair.server.calls[0].id, error(reason, "the text", -3));
    pair.converse();
    EXPECT_TRUE(call.failed(outcome, cause)) << static_cast<int>(reason);
    EXPECT_EQ(call.result->error().detail(), "the text");
    EXPECT_EQ(call.result->error().code(), -3);
  }
}

TEST(Session, AnswersACallOnce) {
  Pair pair;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  const std::uint64_t id = pair.server.calls[0].id;
  EXPECT_EQ(pair.server.session.reply(id, bytes_of("first"), {}), Delivery::queued);
  EXPECT_EQ(pair.server.session.reply(id, bytes_of("second"), {}), Delivery::gone);
  EXPECT_EQ(pair.server.session.fail(id, error(wire::Reason::declared)), Delivery::gone);
  pair.converse();
  EXPECT_EQ(call.reply(), "first");
  EXPECT_FALSE(pair.client.failure);
}

TEST(Session, NeverTakesAnAnswerForTheNextCallInTheSameSlot) {
  Pair pair;
  Call first("m", "1");
  Call second("m", "2");
  ASSERT_TRUE(pair.client.session.start(first));
  pair.converse();
  const std::uint64_t old = pair.server.calls[0].id;
  pair.server.session.reply(old, {}, {});
  pair.converse();
  ASSERT_TRUE(pair.client.session.start(second));
  pair.converse();
  const std::uint64_t id = pair.server.calls[1].id;
  EXPECT_EQ(wire::CallId::of(id).slot, wire::CallId::of(old).slot);
  EXPECT_EQ(wire::CallId::of(id).sequence, 2u);
  // A handler that is late with its second answer hits nobody; a liar is found out.
  EXPECT_EQ(pair.server.session.reply(old, bytes_of("late"), {}), Delivery::gone);
  pair.client.take(wire::test::reply(old, "forged"));
  EXPECT_TRUE(pair.client.breached());
  EXPECT_TRUE(second.failed(Outcome::unknown, Cause::breach));
}

// Attack 28.
TEST(Session, EndsTheConnectionForAnswersToNoCall) {
  for (const bool is_error : {false, true}) {
    for (const std::uint64_t id : {id_of(0, 1), id_of(0, 2), id_of(1, 1), id_of(0xFFFF, 1),
                                   id_of(0xFFFF, 2), id_of(0, 0x1000000)}) {
      Pair pair;
      Call answered;
      ASSERT_TRUE(pair.client.session.start(answered));
      pair.converse();
      pair.server.session.reply(pair.server.calls[0].id, {}, {});
      pair.converse();
      Call one_way;
      one_way.one_way = true;
      ASSERT_TRUE(pair.client.session.start(one_way));
      pair.client.take(is_error ? wire::test::error(id, error(wire::Reason::declared))
                                : wire::test::reply(id));
      EXPECT_TRUE(pair.client.breached()) << id;
    }
  }
}

TEST(Session, CountsOneWayCallsAmongTheSequenceAndAnswersNone) {
  Pair pair;
  Call first("m", "1");
  Call second("m", "2");
  first.one_way = true;
  ASSERT_TRUE(pair.client.session.start(first));
  EXPECT_EQ(first.ends, 0);  // its last byte is not written
  ASSERT_TRUE(pair.client.session.start(second));
  pair.converse();
  EXPECT_TRUE(first.replied());
  ASSERT_EQ(pair.server.calls.size(), 2u);
  EXPECT_TRUE(pair.server.calls[0].one_way);
  EXPECT_EQ(pair.server.calls[0].id, id_of(0xFFFF, 1));
  EXPECT_EQ(pair.server.calls[1].id, id_of(0, 2));
  EXPECT_EQ(pair.server.session.calls_to_answer(), 1u);
  EXPECT_EQ(pair.server.session.reply(pair.server.calls[0].id, {}, {}), Delivery::gone);
}

TEST(Session, EndsAOneWayCallWithItsLastByteAndNotBefore) {
  Pair pair;
  Call call("m", pattern(1000));
  call.one_way = true;
  ASSERT_TRUE(pair.client.session.start(call));
  const std::size_t bytes = pair.client.session.output().bytes.size();
  for (std::size_t i = 0; i + 1 < bytes; ++i) pair.client.session.written(1);
  EXPECT_EQ(call.ends, 0);
  pair.client.session.written(1);
  EXPECT_TRUE(call.replied());
}

TEST(Session, MakesNoMoreCallsAtOnceThanEitherSideAllows) {
  for (const auto& [ours, theirs] : {std::pair{3u, 9u}, std::pair{9u, 3u}}) {
    Pair pair({.outgoing_calls_max = ours}, {.calls_in_flight_max = theirs});
    std::deque<Call> calls;
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE(pair.client.session.start(calls.emplace_back("m", std::to_string(i))));
    }
    pair.converse();
    EXPECT_EQ(pair.server.calls.size(), 3u);
    std::set<std::uint16_t> slots;
    for (std::size_t i = 0; i < 8; ++i) {
      ASSERT_LT(i, pair.server.calls.size());
      const Received& got = pair.server.calls[i];
      EXPECT_EQ(got.payload, std::to_string(i));
      slots.insert(wire::CallId::of(got.id).slot);
      pair.server.session.reply(got.id, {}, {});
      pair.converse();
    }
    EXPECT_EQ(slots, (std::set<std::uint16_t>{0, 1, 2}));
    EXPECT_FALSE(pair.server.failure);
  }
}

TEST(Session, KeepsTheOrderOfCallsThatWaitForASlot) {
  Pair pair({}, {.calls_in_flight_max = 1});
  pair.echo();
  std::deque<Call> calls;
  std::string order;
  pair.client.ended = [&](Call& call) { order += call.reply() == "no reply" ? "?" : "."; };
  for (int i = 0; i < 5; ++i) {
    Call& call = calls.emplace_back("m", std::to_string(i));
    call.one_way = i == 2;
    ASSERT_TRUE(pair.client.session.start(call));
  }
  pair.converse();
  std::string arrived;
  for (const Received& got : pair.server.calls) arrived += got.payload;
  EXPECT_EQ(arrived, "01234");
  EXPECT_EQ(order, ".....");
}

TEST(Session, StartsCallsFromInsideItsEvents) {
  Pair pair;
  pair.echo();
  std::deque<Call> calls(5);
  std::size_t next = 1;
  pair.client.ended = [&](Call&) {
    if (next == calls.size()) return;
    ASSERT_TRUE(pair.client.session.start(calls[next++]));
  };
  ASSERT_TRUE(pair.client.session.start(calls[0]));
  pair.converse();
  for (const Call& call : calls) EXPECT_EQ(call.ends, 1);
}

TEST(Session, TakesNoCallBeforeHelloAndAfterItsEnd) {
  Side lonely;
  Call call;
  EXPECT_EQ(lonely.session.start(call).error().cause(), Cause::closed);
  Pair pair;
  pair.client.session.end(Failure(Cause::closed));
  EXPECT_EQ(pair.client.session.start(call).error().cause(), Cause::closed);
  EXPECT_EQ(call.ends, 0);
}

TEST(Session, DoesNotRunWhatExpiredBeforeItArrived) {
  Pair pair;
  Call late("m");
  late.deadline = Moment(500);
  Call exact("m");
  exact.deadline = pair.server.time;
  Call in_time("m");
  in_time.deadline = Moment(pair.server.time.nanoseconds() + 1);
  Call one_way("m");
  one_way.deadline = Moment(500);
  one_way.one_way = true;
  for (Call* const call : {&late, &exact, &one_way, &in_time}) {
    ASSERT_TRUE(pair.client.session.start(*call));
  }
  pair.converse();
  EXPECT_TRUE(late.failed(Outcome::not_sent, Cause::deadline));
  EXPECT_TRUE(exact.failed(Outcome::not_sent, Cause::deadline));
  ASSERT_EQ(pair.server.calls.size(), 1u);
  EXPECT_EQ(pair.server.calls[0].deadline, in_time.deadline);
  EXPECT_EQ(pair.server.session.calls_to_answer(), 1u);
}

TEST(Session, AnswersPingsAndIgnoresPongs) {
  Pair pair;
  pair.server.take(wire::test::frame(Kind::ping, 77));
  pair.server.take(wire::test::frame(Kind::pong, 78));
  EXPECT_EQ(pair.server.say(), wire::test::frame(Kind::pong, 77));
}

TEST(Session, TellsThePeerWhyItCloses) {
  Pair pair;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  pair.server.session.say_goodbye(error(wire::Reason::refused, "uid 7 matches no rule"));
  pair.converse();
  ASSERT_TRUE(pair.client.failure);
  EXPECT_EQ(pair.client.failure->cause(), Cause::refused);
  EXPECT_EQ(pair.client.failure->detail(), "uid 7 matches no rule");
  EXPECT_TRUE(call.failed(Outcome::unknown, Cause::refused));
}

}  // namespace
}  // namespace tincan::protocol
