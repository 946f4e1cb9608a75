#include <gtest/gtest.h>
#include <sys/stat.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::Call;
using test::descriptors;
using test::Pair;
using wire::Kind;
using wire::test::frame;
using wire::test::id_of;
using wire::test::pattern;

TEST(Descriptors, TravelWithTheirCallAndTheirReply) {
  Pair pair({.descriptors_max = 9}, {.descriptors_max = 9});
  Call with_three("m", "x");
  with_three.descriptors = descriptors(3);
  Call without("m", "y");
  Call large_with_two("m", pattern(200'000));
  large_with_two.descriptors = descriptors(2);
  for (Call* const call : {&with_three, &without, &large_with_two}) {
    ASSERT_TRUE(pair.client.session.start(*call));
  }
  pair.converse();
  ASSERT_EQ(pair.server.calls.size(), 3u);
  std::map<std::string, std::size_t> arrived;
  for (const auto& got : pair.server.calls) arrived[got.payload] = got.descriptors.size();
  EXPECT_EQ(arrived["x"], 3u);
  EXPECT_EQ(arrived["y"], 0u);
  EXPECT_EQ(arrived[pattern(200'000)], 2u);
  pair.server.session.reply(id_of(0, 1), {}, descriptors(9));
  pair.converse();
  ASSERT_TRUE(with_three.replied());
  EXPECT_EQ((*with_three.result)->descriptors.size(), 9u);
}

TEST(Descriptors, AreNotSentWhereTheyAreNotWanted) {
  Pair pair({.descriptors_max = 1}, {});
  Call call;
  call.descriptors = descriptors(1);
  EXPECT_EQ(pair.client.session.start(call).error().cause(), Cause::unsupported);
  EXPECT_EQ(call.descriptors.size(), 1u);  // still the caller's
  call.descriptors.clear();
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_EQ(pair.server.session.reply(id_of(0, 1), {}, descriptors(2)), Delivery::descriptors);
  pair.converse();
  EXPECT_TRUE(call.failed(Outcome::declared, Cause::too_large));
}

// A peer may claim to take thousands; the kernel carries 253.
TEST(Descriptors, AreNeverMoreThanAMessageCarries) {
  Pair pair({.descriptors_max = 5'000}, {.descriptors_max = 5'000});
  Call call;
  call.descriptors = descriptors(254);
  EXPECT_EQ(pair.client.session.start(call).error().cause(), Cause::unsupported);
}

struct Mismatch {
  const char* name;
  std::uint16_t announced;
  std::size_t arrived;
};

// F12: what arrived is what was announced, or the connection is over and all are closed.
TEST(Descriptors, ThatDoNotMatchTheirFrameEndTheConnection) {
  const Mismatch mismatches[] = {
      {"too few", 3, 2}, {"too many", 2, 3}, {"none", 1, 0}, {"more than allowed", 10, 10}};
  for (const Mismatch& mismatch : mismatches) {
    int number = -1;
    {
      Pair pair({}, {.descriptors_max = 9});
      auto sent = descriptors(mismatch.arrived);
      if (!sent.empty()) number = sent[0].get();
      pair.server.take(wire::test::call(id_of(0, 1), "m", "x", 0, mismatch.announced),
                       std::move(sent));
      EXPECT_TRUE(pair.server.breached()) << mismatch.name;
      EXPECT_TRUE(pair.server.calls.empty()) << mismatch.name;
    }
    EXPECT_LT(::fcntl(number, F_GETFD), 0) << mismatch.name;
  }
}

TEST(Descriptors, ThatNoFrameAnnouncedEndTheConnection) {
  Pair pair({}, {.descriptors_max = 9});
  pair.server.take(wire::test::call(id_of(0, 1), "m"), descriptors(1));
  pair.server.take(wire::test::call(id_of(1, 2), "m"), descriptors(1));
  EXPECT_TRUE(pair.server.breached());
}

TEST(Descriptors, WaitForTheRestOfTheirFrame) {
  Pair pair({}, {.descriptors_max = 9});
  const auto call = wire::test::call(id_of(0, 1), "m", "x", 0, 2);
  pair.server.take(std::span(call).first(1), descriptors(2));
  for (std::size_t i = 1; i < call.size(); ++i) pair.server.take(std::span(call).subspan(i, 1));
  ASSERT_FALSE(pair.server.failure);
  ASSERT_EQ(pair.server.calls.size(), 1u);
  EXPECT_EQ(pair.server.calls[0].descriptors.size(), 2u);
}

TEST(Descriptors, OfARefusedCallAreClosedAtOnce) {
  Pair pair({}, {.descriptors_max = 9, .incoming_bytes_max = 10});
  auto sent = descriptors(1);
  const int number = sent[0].get();
  pair.server.take(wire::test::first_fragment(Kind::call, id_of(0, 1), "m", "x", 100, 0, 1),
                   std::move(sent));
  EXPECT_FALSE(pair.server.failure);
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

TEST(Descriptors, OfAReplyToNobodyAreClosed) {
  Pair pair({.descriptors_max = 1});
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_FALSE(pair.client.session.give_up(call));
  pair.client.session.abandon(call);
  auto sent = descriptors(1);
  const int number = sent[0].get();
  pair.client.take(frame(Kind::reply, id_of(0, 1), wire::test::first_body({}), 0, 1),
                   std::move(sent));
  EXPECT_FALSE(pair.client.failure);
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

}  // namespace
}  // namespace tincan::protocol
