#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::bytes_of;
using test::Call;
using test::fragment;
using test::Pair;
using test::Received;
using test::Side;
using wire::Kind;
using wire::test::first_fragment;
using wire::test::frame;
using wire::test::id_of;
using wire::test::pattern;

int frames_of(std::span<const std::byte> stream) {
  int count = 0;
  while (!stream.empty()) {
    const auto parsed = wire::parse_frame(stream);
    if (parsed.state != wire::Parsed::State::whole) return -1;
    stream = stream.subspan(sizeof(wire::FrameHeader) + parsed.frame.body.size());
    ++count;
  }
  return count;
}

TEST(Fragments, CarryEverySizeAroundTheirBounds) {
  Pair pair;
  pair.echo();
  for (const std::size_t around :
       {std::size_t{0}, fragment, limits::body_bytes_max, 2 * fragment, 3 * fragment}) {
    for (int difference = -2; difference <= 2; ++difference) {
      const auto size = static_cast<std::size_t>(
          std::max<std::int64_t>(0, static_cast<std::int64_t>(around) + difference));
      Call call("m", pattern(size));
      ASSERT_TRUE(pair.client.session.start(call));
      pair.converse();
      EXPECT_TRUE(call.reply() == pattern(size)) << size;
    }
  }
}

TEST(Fragments, AreOneForAPayloadOf64KiBWhateverItsPrologue) {
  Pair pair;
  pair.echo();
  const std::string longest(limits::method_bytes_max, 'm');
  for (const auto& [bytes, frames] : {std::pair(fragment, 1), std::pair(fragment + 1, 2)}) {
    Call call(longest, pattern(bytes));
    call.idempotent = true;
    ASSERT_TRUE(pair.client.session.start(call));
    EXPECT_EQ(frames_of(pair.client.session.output().bytes), frames) << bytes;
    pair.converse();
    EXPECT_TRUE(call.reply() == pattern(bytes)) << bytes;
  }
}

TEST(Fragments, OfSeveralCallsTakeTurns) {
  Pair pair;
  std::deque<Call> calls;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pair.client.session.start(calls.emplace_back("m", pattern(6 * fragment))));
  }
  test::Bytes said;
  while (pair.client.session.unsent_bytes() > 0) {  // a fragment at a time, so that room is short
    const auto chunk = pair.client.session.output().bytes;
    const std::size_t count = std::min(chunk.size(), fragment);
    said.insert(said.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(count));
    pair.client.session.written(count);
  }
  std::map<std::uint64_t, int> sent;
  for (const wire::Frame& each : wire::test::frames_of(said)) {
    ++sent[each.header.id];
    int least = 100;
    int most = 0;
    for (const auto& [id, count] : sent)
      least = std::min(least, count), most = std::max(most, count);
    if (sent.size() == 3) {
      EXPECT_LE(most - least, 1);
    }
  }
  EXPECT_EQ(sent.size(), 3u);
  pair.server.take(said);
  ASSERT_EQ(pair.server.calls.size(), 3u);
  for (const Received& got : pair.server.calls) EXPECT_TRUE(got.payload == pattern(6 * fragment));
}

TEST(Fragments, AreOvertakenBySmallCalls) {
  Pair pair;
  Call large("m", pattern(50 * fragment));
  Call small("m", "small");
  ASSERT_TRUE(pair.client.session.start(large));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(pair.client.send(pair.server, fragment));
  ASSERT_TRUE(pair.client.session.start(small));
  std::size_t sends = 0;
  while (pair.server.calls.empty()) {
    ASSERT_TRUE(pair.client.send(pair.server, fragment));
    ++sends;
  }
  EXPECT_EQ(pair.server.calls[0].payload, "small");
  EXPECT_LE(sends, 6u);  // what was on the stream already, four fragments and a bit
  pair.converse();
  EXPECT_TRUE(pair.server.calls[1].payload == pattern(50 * fragment));
}

TEST(Fragments, OfRepliesAreOvertakenToo) {
  Pair pair({}, {.outgoing_bytes_pause = UINT64_MAX});
  Call large("large");
  Call small("small");
  ASSERT_TRUE(pair.client.session.start(large));
  ASSERT_TRUE(pair.client.session.start(small));
  while (pair.client.send(pair.server)) {
  }
  {
    std::string answer = pattern(10 * fragment);  // freed at once: the session has its own copy
    pair.server.session.reply(pair.server.calls[0].id, bytes_of(answer), {});
    answer.assign(answer.size(), '?');
  }
  pair.server.session.reply(pair.server.calls[1].id, bytes_of("quick"), {});
  while (small.ends == 0) ASSERT_TRUE(pair.server.send(pair.client, fragment));
  EXPECT_EQ(large.ends, 0);
  pair.converse();
  EXPECT_TRUE(large.reply() == pattern(10 * fragment));
}

TEST(Fragments, MayBeEmptyAndMayInterleaveWithAnything) {
  Pair pair;
  pair.server.take(first_fragment(Kind::call, id_of(0, 1), "a", "he", 5));
  pair.server.take(wire::test::call(id_of(1, 2), "b", "other"));
  pair.server.take(first_fragment(Kind::call, id_of(0xFFFF, 3), "c", "", 2, wire::flag_one_way));
  pair.server.take(frame(Kind::call, id_of(0, 1), {}, wire::flag_continued | wire::flag_more));
  pair.server.take(frame(Kind::call, id_of(0xFFFF, 3), bytes_of("hi"),
                         wire::flag_continued | wire::flag_one_way));
  pair.server.take(frame(Kind::call, id_of(0, 1), bytes_of("llo"), wire::flag_continued));
  ASSERT_FALSE(pair.server.failure) << pair.server.failure->detail();
  ASSERT_EQ(pair.server.calls.size(), 3u);
  EXPECT_EQ(pair.server.calls[0].payload, "other");
  EXPECT_EQ(pair.server.calls[1].payload, "hi");
  EXPECT_EQ(pair.server.calls[2].payload, "hello");
  EXPECT_EQ(pair.server.calls[2].method, "a");
}

struct Lie {
  const char* name;
  std::vector<test::Bytes> frames;
};

TEST(Fragments, ThatLieEndTheConnection) {
  using namespace wire;
  const std::uint64_t id = id_of(0, 1);
  const auto begin = first_fragment(Kind::call, id, "m", "he", 5);
  const Lie lies[] = {
      {"longer than announced, at its end",
       {begin, frame(Kind::call, id, bytes_of("llo!"), flag_continued)}},
      {"longer than announced, in its middle",
       {begin, frame(Kind::call, id, bytes_of("llo!"), flag_continued | flag_more)}},
      {"longer than announced, at its beginning",
       {first_fragment(Kind::call, id, "m", "hello!", 5)}},
      {"shorter than announced", {begin, frame(Kind::call, id, bytes_of("l"), flag_continued)}},
      {"of no call", {frame(Kind::call, id, bytes_of("x"), flag_continued)}},
      {"of a call that is whole",
       {wire::test::call(id, "m"), frame(Kind::call, id, bytes_of("x"), flag_continued)}},
      {"turned one-way", {begin, frame(Kind::call, id, {}, flag_continued | flag_one_way)}},
      {"begun twice", {begin, begin}},
      {"without its size",
       {frame(Kind::call, id, wire::test::first_body({.method = "m"}, "x"), flag_more)}},
  };
  for (const Lie& lie : lies) {
    Pair pair;
    for (const test::Bytes& bytes : lie.frames) pair.server.take(bytes);
    EXPECT_TRUE(pair.server.breached()) << lie.name;
    EXPECT_TRUE(pair.server.calls.empty() || lie.frames.size() == 2) << lie.name;
  }
}

TEST(Fragments, OfAReplyThatLieEndTheConnection) {
  using namespace wire;
  const std::uint64_t id = id_of(0, 1);
  const auto begin = first_fragment(Kind::reply, id, "", "he", 5);
  const Lie lies[] = {
      {"longer", {begin, frame(Kind::reply, id, bytes_of("llo!"), flag_continued)}},
      {"shorter", {begin, frame(Kind::reply, id, bytes_of("l"), flag_continued)}},
      {"continued before it began", {frame(Kind::reply, id, bytes_of("l"), flag_continued)}},
      {"begun twice", {begin, begin}},
      {"without its size", {frame(Kind::reply, id, wire::test::first_body({}, "x"), flag_more)}},
      {"of another call", {begin, frame(Kind::reply, id_of(0, 2), {}, flag_continued)}},
      {"malformed", {frame(Kind::reply, id, bytes_of("\xFF\xFF"))}},
      {"twice", {wire::test::reply(id), wire::test::reply(id)}},
  };
  for (const Lie& lie : lies) {
    Pair pair;
    Call call;
    ASSERT_TRUE(pair.client.session.start(call));
    pair.converse();
    for (const test::Bytes& bytes : lie.frames) pair.client.take(bytes);
    EXPECT_TRUE(pair.client.breached()) << lie.name;
    EXPECT_EQ(call.ends, 1) << lie.name;
  }
}

TEST(Fragments, OfAReplyMayGiveWayToAnError) {
  Pair pair;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  pair.client.take(first_fragment(Kind::reply, id_of(0, 1), "", "he", 5));
  pair.client.take(
      wire::test::error(id_of(0, 1), {.reason = wire::Reason::declared, .code = 5, .text = {}}));
  EXPECT_TRUE(call.failed(Outcome::declared, Cause::declared));
}

TEST(Fragments, OfAnswersToHalfACallEndTheConnection) {
  for (const bool is_error : {false, true}) {
    Pair pair;
    Call call("m", pattern(10 * fragment));
    ASSERT_TRUE(pair.client.session.start(call));
    ASSERT_TRUE(pair.client.send(pair.server));
    pair.client.take(is_error ? wire::test::error(id_of(0, 1), {})
                              : wire::test::reply(id_of(0, 1)));
    EXPECT_TRUE(pair.client.breached());
    EXPECT_TRUE(call.failed(Outcome::not_sent, Cause::breach));
  }
}

// More one-way calls in pieces than calls in flight: the sender waits instead of being cut off.
TEST(Fragments, OfManyOneWayCallsStayWithinWhatTheReceiverTakes) {
  Pair pair({}, {.calls_in_flight_max = 2, .incoming_bytes_max = UINT64_MAX});
  std::deque<Call> calls;
  for (int i = 0; i < 20; ++i) {
    Call& call = calls.emplace_back("m", pattern(8 * fragment, static_cast<std::uint32_t>(i)));
    call.one_way = i % 3 != 0;
    ASSERT_TRUE(pair.client.session.start(call));
  }
  pair.echo();
  pair.converse();
  EXPECT_FALSE(pair.server.failure) << pair.server.failure->detail();
  EXPECT_EQ(pair.server.calls.size(), 20u);
  for (const Call& call : calls) EXPECT_TRUE(call.replied());
}

TEST(Fragments, BegunWithoutEndByALiarEndTheConnection) {
  Pair pair({}, {.calls_in_flight_max = 4});
  for (std::uint64_t sequence = 1; sequence < 100 && !pair.server.failure; ++sequence) {
    pair.server.take(
        first_fragment(Kind::call, id_of(0xFFFF, sequence), "m", "x", 1000, wire::flag_one_way));
  }
  EXPECT_TRUE(pair.server.breached());
}

}  // namespace
}  // namespace tincan::protocol
