// Many one-way messages in one frame.

#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::Bytes;
using test::bytes_of;
using test::Call;
using test::Pair;
using test::Side;
using wire::test::id_of;
using namespace std::string_literals;

constexpr Settings with_batches{.abilities = wire::ability_batch};

/// Messages as a Sender has them, with the room before them.
class BatchCall : public Call {
 public:
  explicit BatchCall(const std::vector<std::string>& messages) : Call("log") {
    memory_.resize(batch_front_bytes);
    for (const std::string& message : messages) {
      const auto length = static_cast<std::uint32_t>(message.size());
      const auto head = std::as_bytes(std::span(&length, 1));
      memory_.insert(memory_.end(), head.begin(), head.end());
      const auto bytes = bytes_of(message);
      memory_.insert(memory_.end(), bytes.begin(), bytes.end());
      message_bytes_max = std::max(message_bytes_max, message.size());
    }
    one_way = is_batch = true;
    batch_begin = memory_.data() + batch_front_bytes;
    payload = std::span(memory_).subspan(batch_front_bytes);
  }

 private:
  Bytes memory_;
};

Bytes lying_batch(std::string_view payload, std::uint64_t id = id_of(0xFFFF, 1)) {
  return wire::test::call(id, "log", payload, wire::flag_one_way | wire::flag_batch);
}

TEST(Batches, ArriveWholeAndInTheirOrder) {
  Pair pair(with_batches, with_batches);
  pair.server.takes_batches = true;
  BatchCall first({"one", "", "three"});
  BatchCall second({"four"});
  ASSERT_TRUE(pair.client.session.start(first));
  ASSERT_TRUE(pair.client.session.start(second));
  pair.converse();
  EXPECT_EQ(pair.server.messages, (std::vector<std::string>{"one", "", "three", "four"}));
  EXPECT_EQ(first.ends, 1);
  EXPECT_TRUE(first.replied());
  EXPECT_TRUE(pair.server.calls.empty());
  EXPECT_EQ(pair.server.session.incoming_bytes(), 0u);
}

TEST(Batches, BecomeCallsForWhoTakesThemOneByOne) {
  Pair pair(with_batches, with_batches);
  BatchCall batch({"one", "two"});
  ASSERT_TRUE(pair.client.session.start(batch));
  pair.converse();
  ASSERT_EQ(pair.server.calls.size(), 2u);
  EXPECT_EQ(pair.server.calls[0].payload, "one");
  EXPECT_EQ(pair.server.calls[1].payload, "two");
  EXPECT_TRUE(pair.server.calls[1].one_way);
  EXPECT_EQ(pair.server.calls[1].method, "log");
}

TEST(Batches, OfOneAreTakenWhereTheyLieToo) {
  Pair pair(with_batches, with_batches);
  pair.server.takes_batches = true;
  Call alone("log", "alone");
  alone.one_way = true;
  ASSERT_TRUE(pair.client.session.start(alone));
  pair.converse();
  EXPECT_EQ(pair.server.messages, std::vector<std::string>{"alone"});
}

TEST(Batches, LieOnTheStreamAsTheyAreUntilTheyAreToBeKept) {
  Pair pair(with_batches, with_batches);
  pair.server.takes_batches = true;
  BatchCall batch({"one", "two"});
  ASSERT_TRUE(pair.client.session.start(batch));
  const auto chunk = pair.client.session.output();
  EXPECT_EQ(chunk.bytes.data() + chunk.bytes.size(), batch.payload.data() + batch.payload.size());
  ASSERT_TRUE(pair.client.send(pair.server, 20));
  pair.client.session.outbox().keep_lent();
  std::ranges::fill(std::span(batch.batch_begin, batch.payload.size()), std::byte{0});
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_EQ(pair.server.messages, (std::vector<std::string>{"one", "two"}));
  ASSERT_EQ(pair.server.calls.size(), 1u);
}

TEST(Batches, StayInOrderWithCallsThatAreStartedBeforeTheyAreWritten) {
  Pair pair(with_batches, with_batches);
  pair.server.takes_batches = true;
  BatchCall batch({"one"});
  Call call("second");
  ASSERT_TRUE(pair.client.session.start(batch));
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_FALSE(pair.server.breached());
  EXPECT_EQ(pair.server.messages, std::vector<std::string>{"one"});
  EXPECT_EQ(pair.server.calls.size(), 1u);
}

TEST(Batches, AreRefusedBeforeTheyStartWhenTheServerDoesNotKnowThem) {
  Pair pair(with_batches, {});
  BatchCall batch({"one"});
  const auto refused = pair.client.session.start(batch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::unsupported);
}

TEST(Batches, AreMeasuredByTheirLargestMessage) {
  Settings server = with_batches;
  server.payload_bytes_max = 5;
  Pair pair(with_batches, server);
  pair.server.takes_batches = true;
  BatchCall fits({"three", "three", "three"});
  ASSERT_TRUE(pair.client.session.start(fits));
  BatchCall large({"one", "123456"});
  const auto refused = pair.client.session.start(large);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail(), "a payload of 6 bytes; the server takes 5");
  pair.converse();
  EXPECT_EQ(pair.server.messages.size(), 3u);
}

TEST(Batches, OfALiarEndTheConnection) {
  const auto breached = [](const Settings& server, const Bytes& lie) {
    Pair pair(with_batches, server);
    pair.server.takes_batches = true;
    pair.server.take(lie);
    return pair.server.breached();
  };
  Settings small = with_batches;
  small.payload_bytes_max = 2;
  const std::string good = "\3\0\0\0one"s;
  EXPECT_FALSE(breached(with_batches, lying_batch(good)));
  EXPECT_TRUE(breached({}, lying_batch(good))) << "without the ability";
  EXPECT_TRUE(breached(with_batches, lying_batch(good + "x")));
  EXPECT_TRUE(breached(with_batches, lying_batch("")));
  EXPECT_TRUE(breached(small, lying_batch(good))) << "over the agreed size";
  EXPECT_TRUE(breached(with_batches, lying_batch(good, id_of(0, 1)))) << "in a slot";
}

TEST(Batches, ThatComeAfterTheirDeadlineCountEachMessage) {
  Pair pair(with_batches, with_batches);
  pair.server.takes_batches = true;
  BatchCall batch({"one", "two", "three"});
  batch.deadline = pair.server.time;
  ASSERT_TRUE(pair.client.session.start(batch));
  pair.converse();
  EXPECT_EQ(pair.server.expired, 3);
  EXPECT_TRUE(pair.server.messages.empty());
}

TEST(Batches, TakenOneByOneUseATurnUpAsTheirMessagesDo) {
  Settings server = with_batches;
  server.frames_per_receive = 4;
  Pair pair(with_batches, server);
  const Bytes first = lying_batch("\0\0\0\0\0\0\0\0\0\0\0\0"s);
  Bytes both = first;
  for (std::uint64_t sequence = 2; sequence < 4; ++sequence) {
    const Bytes next = wire::test::call(id_of(0xFFFF, sequence), "log", "", wire::flag_one_way);
    both.insert(both.end(), next.begin(), next.end());
  }
  const auto consumed = pair.server.session.receive(both);
  ASSERT_TRUE(consumed);
  EXPECT_EQ(pair.server.calls.size(), 4u) << "three of the batch, and one more";
  EXPECT_TRUE(pair.server.session.stopped_early());
}

}  // namespace
}  // namespace tincan::protocol
