#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::bytes_of;
using test::Call;
using test::fragment;
using test::Pair;
using wire::Kind;
using wire::test::first_fragment;
using wire::test::frame;
using wire::test::id_of;
using wire::test::pattern;

TEST(Limits, OfAPayloadAreCheckedBeforeACallStarts) {
  Pair pair({}, {.payload_bytes_max = 100});
  Call fits("m", pattern(100));
  Call call("m", pattern(101));
  ASSERT_TRUE(pair.client.session.start(fits));
  const auto refused = pair.client.session.start(call);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::too_large);
  EXPECT_EQ(refused.error().detail(), "a payload of 101 bytes; the server takes 100");
  pair.echo();
  pair.converse();
  EXPECT_TRUE(fits.replied());
  EXPECT_EQ(call.ends, 0);
}

TEST(Limits, OfAPayloadEndTheConnectionOfALiar) {
  const test::Bytes lies[] = {
      wire::test::call(id_of(0, 1), "m", pattern(101)),
      first_fragment(Kind::call, id_of(0, 1), "m", "x", 101),
      first_fragment(Kind::call, id_of(0, 1), "m", "x", UINT64_MAX),
  };
  for (const test::Bytes& lie : lies) {
    Pair pair({}, {.payload_bytes_max = 100});
    pair.server.take(lie);
    EXPECT_TRUE(pair.server.breached());
    EXPECT_TRUE(pair.server.calls.empty());
  }
}

TEST(Limits, OfAReplyTurnItIntoAnErrorThatSaysSo) {
  Pair pair({.payload_bytes_max = 100});
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  const std::string large = pattern(101);
  EXPECT_EQ(pair.server.session.reply(pair.server.calls[0].id, bytes_of(large), {}),
            Delivery::too_large);
  pair.converse();
  EXPECT_TRUE(call.failed(Outcome::declared, Cause::too_large));
  EXPECT_EQ(pair.server.session.calls_to_answer(), 0u);
}

TEST(Limits, OfAReplyEndTheConnectionOfALiar) {
  const test::Bytes lies[] = {wire::test::reply(id_of(0, 1), pattern(101)),
                              first_fragment(Kind::reply, id_of(0, 1), "", "x", 101)};
  for (const test::Bytes& lie : lies) {
    Pair pair({.payload_bytes_max = 100});
    Call call;
    ASSERT_TRUE(pair.client.session.start(call));
    pair.converse();
    pair.client.take(lie);
    EXPECT_TRUE(pair.client.breached());
  }
}

TEST(Limits, OfCallsInFlightEndTheConnectionOfALiar) {
  const std::uint64_t ids[] = {id_of(2, 1), id_of(0xFFFF, 1)};
  for (const std::uint64_t id : ids) {
    Pair pair({}, {.calls_in_flight_max = 2});
    pair.server.take(wire::test::call(id, "m"));
    EXPECT_TRUE(pair.server.breached());
  }
  Pair in_use({}, {.calls_in_flight_max = 2});
  in_use.server.take(wire::test::call(id_of(0, 1), "m"));
  in_use.server.take(wire::test::call(id_of(0, 2), "m"));
  EXPECT_TRUE(in_use.server.breached());
}

TEST(Limits, OfNoCallsAtAllEndTheConnectionOfWhoeverMakesOne) {
  const std::uint64_t no_slot = id_of(wire::CallId::no_slot, 1);
  const wire::test::Bytes calls[] = {
      wire::test::call(id_of(0, 1), "m"),
      wire::test::call(id_of(0, 1), "m", "part", wire::flag_more),
      wire::test::call(no_slot, "m", {}, wire::flag_one_way),
      wire::test::call(no_slot, "m", "part", wire::flag_one_way | wire::flag_more),
  };
  for (const auto& call : calls) {
    Pair pair({.calls_in_flight_max = 0});
    pair.client.take(call);
    EXPECT_TRUE(pair.client.breached());
    EXPECT_TRUE(pair.client.calls.empty());
  }
}

TEST(Limits, OfCallsInPiecesEndTheConnectionOfALiar) {
  Pair pair({}, {.calls_in_flight_max = 2});
  // One-way calls have no slot that would bound them.
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
    EXPECT_FALSE(pair.server.failure) << sequence;
    pair.server.take(wire::test::first_fragment(wire::Kind::call,
                                                id_of(wire::CallId::no_slot, sequence), "m", "part",
                                                1'000, wire::flag_one_way));
  }
  EXPECT_TRUE(pair.server.breached());
}

TEST(Limits, OfUnreadAnswersToPingsEndTheConnection) {
  // A client: it never stops reading, whatever waits to be written.
  Pair pair({.outgoing_bytes_pause = UINT64_MAX});
  const auto ping = wire::test::frame(wire::Kind::ping, 7);
  wire::test::Bytes pings;
  for (int i = 0; i < 4096; ++i) pings.insert(pings.end(), ping.begin(), ping.end());
  for (int i = 0; i < 100; ++i) {  // those who read their answers may go on for ever
    pair.client.take(pings);
    ASSERT_FALSE(pair.client.failure) << i;
    EXPECT_EQ(pair.client.say().size(), pings.size());
  }
  for (int i = 0; i < 1000 && !pair.client.failure; ++i) pair.client.take(pings);
  EXPECT_TRUE(pair.client.breached());
  EXPECT_LT(pair.client.session.unsent_bytes(), 2u << 20);
}

TEST(Limits, OfSequenceAreToCountUpByOne) {
  for (const std::uint64_t second : {0u, 1u, 3u}) {
    Pair pair;
    pair.server.take(wire::test::call(id_of(0, 1), "m"));
    pair.server.take(wire::test::call(id_of(1, second), "m"));
    EXPECT_TRUE(pair.server.breached()) << second;
  }
  Pair one_way_in_a_slot;
  one_way_in_a_slot.server.take(wire::test::call(id_of(3, 1), "m", {}, wire::flag_one_way));
  EXPECT_TRUE(one_way_in_a_slot.server.breached());
}

TEST(Limits, OfUnreadAnswersToPingsLieAboveThoseOfOtherAnswers) {
  Pair pair({}, {.outgoing_bytes_pause = 4u << 20});
  std::deque<Call> calls(40);
  for (Call& call : calls) ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  for (const auto& call : pair.server.calls) {
    pair.server.session.reply(call.id, bytes_of(std::string(60'000, 'x')), {});
  }
  ASSERT_TRUE(pair.server.session.wants_input());
  pair.server.take(wire::test::frame(wire::Kind::ping, 7));
  EXPECT_FALSE(pair.server.failure);
}

TEST(Limits, OfIncomingBytesRefuseTheCallAtItsEnd) {
  Pair pair({}, {.incoming_bytes_max = 1000});
  const std::uint64_t first = id_of(0, 1);
  const std::uint64_t second = id_of(1, 2);
  pair.server.take(first_fragment(Kind::call, first, "m", "x", 600));
  pair.server.take(first_fragment(Kind::call, second, "m", "y", 401));
  EXPECT_TRUE(pair.server.say().empty());  // its slot is its caller's until its end
  pair.server.take(frame(Kind::call, second, bytes_of(pattern(400)), wire::flag_continued));
  const test::Bytes said = pair.server.say();
  const auto frames = wire::test::frames_of(said);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].header.id, second);
  EXPECT_EQ(wire::decode_error(frames[0].body)->reason, wire::Reason::exhausted);
  pair.server.take(frame(Kind::call, first, bytes_of(pattern(599)), wire::flag_continued));
  EXPECT_EQ(pair.server.calls.size(), 1u);
  // What the first had promised is free again.
  pair.server.take(first_fragment(Kind::call, id_of(1, 3), "m", "", 1000));
  pair.server.take(frame(Kind::call, id_of(1, 3), bytes_of(pattern(1000)), wire::flag_continued));
  EXPECT_EQ(pair.server.calls.size(), 2u);
  EXPECT_FALSE(pair.server.failure);
}

TEST(Limits, OfIncomingBytesAreGivenBackByACancel) {
  Pair pair({}, {.incoming_bytes_max = 1000});
  for (std::uint64_t sequence = 1; sequence < 10; ++sequence) {
    const std::uint64_t id = id_of(0, sequence);
    pair.server.take(first_fragment(Kind::call, id, "m", "x", 1000));
    pair.server.take(frame(Kind::cancel, id));
    const test::Bytes said = pair.server.say();
    ASSERT_EQ(wire::test::frames_of(said).size(), 1u);
    EXPECT_EQ(wire::decode_error(wire::test::frames_of(said)[0].body)->reason,
              wire::Reason::cancelled);
  }
}

// Attack 1: a header, even a whole first fragment, makes the receiver hold no more than came.
TEST(Limits, MakePromisesCostNothing) {
  Pair pair({}, {.payload_bytes_max = UINT64_MAX, .incoming_bytes_max = UINT64_MAX});
  pair.server.take(first_fragment(Kind::call, id_of(0, 1), "m", "x", UINT64_MAX));
  pair.server.take(
      frame(Kind::call, id_of(0, 1), bytes_of("y"), wire::flag_continued | wire::flag_more));
  EXPECT_FALSE(pair.server.failure);  // it would not have had the memory
}

TEST(Pause, LastsWhileHandlersHoldTooManyBytes) {
  Pair pair({}, {.incoming_bytes_max = 1000});
  pair.server.holds = true;
  std::deque<Call> calls;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(pair.client.session.start(calls.emplace_back("m", pattern(600))));
  }
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 2u);
  EXPECT_FALSE(pair.server.session.wants_input());
  pair.server.session.release(600, false);
  EXPECT_TRUE(pair.server.session.wants_input());
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 3u);
}

TEST(Pause, LastsWhileHandlersHoldTooManyOneWayCalls) {
  Pair pair({}, {.calls_in_flight_max = 2});
  pair.server.holds = true;
  std::deque<Call> calls(5);
  for (Call& call : calls) {
    call.one_way = true;
    ASSERT_TRUE(pair.client.session.start(call));
  }
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 3u);
  for (int i = 0; i < 3; ++i) pair.server.session.release(0, true);
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 5u);
}

TEST(Pause, LastsWhileThePeerLeavesAnswersUnread) {
  Pair pair({}, {.outgoing_bytes_pause = 10'000});
  Call call;
  Call next;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  pair.server.session.reply(pair.server.calls[0].id, bytes_of(pattern(fragment)), {});
  EXPECT_FALSE(pair.server.session.wants_input());
  ASSERT_TRUE(pair.client.session.start(next));
  EXPECT_FALSE(pair.client.send(pair.server));
  pair.converse();  // now it reads them
  EXPECT_EQ(pair.server.calls.size(), 2u);
}

TEST(Pause, KeepsUnreadWhatWasReceivedWithTheRest) {
  Pair pair({}, {.incoming_bytes_max = 0});
  pair.server.holds = true;
  const test::Bytes two = wire::test::joined(
      {wire::test::call(id_of(0, 1), "m", "x"), wire::test::call(id_of(1, 2), "m", "y")});
  pair.server.take(two);
  EXPECT_EQ(pair.server.calls.size(), 1u);
  EXPECT_FALSE(pair.server.resume());
  pair.server.session.release(1, false);
  EXPECT_TRUE(pair.server.resume());
  EXPECT_EQ(pair.server.calls.size(), 2u);
}

TEST(Methods, MayBeNumberedOnFirstUse) {
  Pair pair;
  const auto call = [&](std::uint64_t sequence, std::string_view method, std::uint16_t number) {
    wire::Prologue prologue;
    prologue.method = method;
    prologue.method_number = number;
    pair.server.take(frame(Kind::call, id_of(static_cast<std::uint16_t>(sequence), sequence),
                           wire::test::first_body(prologue)));
  };
  call(1, "first", 63);
  call(2, "", 63);
  call(3, "renamed", 63);
  call(4, "", 63);
  ASSERT_FALSE(pair.server.failure);
  std::vector<std::string> methods;
  for (const auto& got : pair.server.calls) methods.push_back(got.method);
  EXPECT_EQ(methods, (std::vector<std::string>{"first", "first", "renamed", "renamed"}));
  call(5, "", 62);  // not agreed on
  EXPECT_TRUE(pair.server.breached());
}

TEST(Methods, HaveSixtyFourNumbersAtMostAndNeedAName) {
  Pair pair;
  wire::Prologue prologue;
  prologue.method = "m";
  prologue.method_number = 64;
  pair.server.take(frame(Kind::call, id_of(0, 1), wire::test::first_body(prologue)));
  EXPECT_TRUE(pair.server.breached());
  Pair nameless;
  nameless.server.take(frame(Kind::call, id_of(0, 1), wire::test::first_body({})));
  EXPECT_TRUE(nameless.server.breached());
}

}  // namespace
}  // namespace tincan::protocol
