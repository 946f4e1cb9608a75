#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::Call;
using test::fragment;
using test::Pair;
using wire::test::pattern;

/// Calls of every kind, and where on the stream the last byte of each stands.
struct Script {
  std::deque<Call> calls;
  std::vector<std::uint64_t> ends;

  explicit Script(Pair& pair) {
    const std::size_t sizes[] = {0, 10, 2 * fragment, 3, 70'000, 0};
    for (std::size_t i = 0; i < std::size(sizes); ++i) {
      Call& call = calls.emplace_back("m", pattern(sizes[i]));
      call.one_way = i == 3 || i == 4;
      EXPECT_TRUE(pair.client.session.start(call));
    }
  }
};

/// The last byte of each call by its sequence, from the frames themselves.
std::vector<std::size_t> last_bytes(const test::Bytes& said, std::size_t calls) {
  std::vector<std::size_t> last(calls);
  std::size_t position = 0;
  for (const wire::Frame& frame : wire::test::frames_of(said)) {
    position += sizeof frame.header + frame.body.size();
    last[wire::CallId::of(frame.header.id).sequence - 1] = position;
  }
  return last;
}

// Every prefix of the stream near a bound of a frame, and every 997th elsewhere.
TEST(End, TellsNotSentFromUnknownAtEveryWrittenByte) {
  test::Bytes said;
  {
    Pair pair;
    const Script script(pair);
    said = pair.client.say();
  }
  const std::size_t count = 6;
  const auto last = last_bytes(said, count);
  const auto is_near_a_bound = [&](std::size_t written) {
    for (const std::size_t bound : last) {
      if (written + 40 > bound && written < bound + 3) return true;
    }
    return written < 300;
  };
  for (std::size_t written = 0; written <= said.size(); ++written) {
    if (!is_near_a_bound(written) && written % 997 != 0) continue;
    Pair pair;
    Script script(pair);
    std::size_t left = written;
    while (left > 0) {
      const std::size_t part = std::min(left, pair.client.session.output().bytes.size());
      pair.client.session.written(part);
      left -= part;
    }
    pair.client.session.end(Failure(Cause::closed, "cut"));
    for (std::size_t i = 0; i < count; ++i) {
      const Call& call = script.calls[i];
      ASSERT_EQ(call.ends, 1) << i << " at " << written;
      const bool is_written = last[i] <= written;
      if (call.one_way && is_written) {
        EXPECT_TRUE(call.replied()) << i << " at " << written;
      } else {
        const Outcome expected = is_written ? Outcome::unknown : Outcome::not_sent;
        EXPECT_TRUE(call.failed(expected, Cause::closed)) << i << " at " << written;
        EXPECT_EQ(call.result->error().detail(), "cut");
      }
    }
  }
}

TEST(End, ComesOnceAndForAll) {
  Pair pair;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.client.session.end(Failure(Cause::closed));
  pair.client.session.end(Failure(Cause::breach));
  EXPECT_EQ(call.ends, 1);
  EXPECT_EQ(pair.client.session.calls_in_flight(), 1u);
}

TEST(End, KeepsAnswersAndCallsOut) {
  Pair pair;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  pair.server.session.end(Failure(Cause::closed));
  EXPECT_EQ(pair.server.session.reply(pair.server.calls[0].id, {}, {}), Delivery::gone);
  EXPECT_EQ(pair.server.session.fail(pair.server.calls[0].id, {}), Delivery::gone);
  pair.server.take(wire::test::call(wire::test::id_of(1, 2), "m"));
  EXPECT_EQ(pair.server.calls.size(), 1u);
}

TEST(End, FromInsideAnEventStopsTheReading) {
  Pair pair;
  pair.server.answer = [&](test::Received&) { pair.server.session.end(Failure(Cause::closed)); };
  pair.server.take(wire::test::joined({wire::test::call(wire::test::id_of(0, 1), "m"),
                                       wire::test::call(wire::test::id_of(1, 2), "m")}));
  EXPECT_EQ(pair.server.calls.size(), 1u);
}

TEST(End, MayBeHeardByCallersWhoTryAgain) {
  Pair pair({}, {.calls_in_flight_max = 2});
  std::deque<Call> calls(4);
  pair.client.ended = [&](Call& call) {
    Call again;
    EXPECT_FALSE(pair.client.session.start(again));
    EXPECT_TRUE(call.result);
  };
  for (Call& call : calls) ASSERT_TRUE(pair.client.session.start(call));
  pair.client.session.end(Failure(Cause::closed));
  for (const Call& call : calls) EXPECT_EQ(call.ends, 1);
}

}  // namespace
}  // namespace tincan::protocol
