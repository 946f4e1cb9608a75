#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::Bytes;
using test::bytes_of;
using test::Call;
using test::Pair;
using test::Side;
using wire::Hello;

const Hello plain_hello{.payload_bytes_max = 1000,
                        .calls_in_flight_max = 10,
                        .descriptors_max = 4,
                        .abilities = 0,
                        .clock_offset_nanoseconds = 0};

TEST(Greeting, IsTheFirstThingSaid) {
  Side side({.payload_bytes_max = 5,
             .calls_in_flight_max = 6,
             .descriptors_max = 7,
             .clock_offset_nanoseconds = 8});
  const Bytes said = side.say();
  const auto frames = wire::test::frames_of(std::span(said).subspan(wire::preamble.size()));
  ASSERT_EQ(frames.size(), 1u);
  const auto hello = wire::decode_hello(frames[0].body);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->payload_bytes_max, 5u);
  EXPECT_EQ(hello->calls_in_flight_max, 6u);
  EXPECT_EQ(hello->descriptors_max, 7u);
  EXPECT_EQ(hello->clock_offset_nanoseconds, 8);
}

TEST(Greeting, MakesTheSessionReady) {
  Side side;
  EXPECT_TRUE(side.session.expects_hello());
  side.take(wire::test::hello(plain_hello));
  EXPECT_FALSE(side.session.expects_hello());
  EXPECT_TRUE(side.greeted);
  EXPECT_EQ(side.session.peer_hello().payload_bytes_max, 1000u);
}

TEST(Greeting, NamesAStrangerByWhatItSaid) {
  const std::string strangers[] = {"ping", "GET / HTTP/1.1\r\n", std::string(16, '\0'),
                                   "TINCAN/2 HELLO\r\n", "\x1b[2Jevil"};
  for (const std::string& said : strangers) {
    Side side;
    side.take(bytes_of(said));
    ASSERT_TRUE(side.failure) << said;
    EXPECT_EQ(side.failure->cause(), Cause::not_tincan) << said;
    for (const char character : side.failure->detail()) {
      EXPECT_TRUE(character >= ' ' && character <= '~');
    }
  }
}

// What it said is the same however it arrived: the part that looked right is not forgotten.
TEST(Greeting, NamesAStrangerWhoSpeaksByteByByte) {
  Side side;
  for (const char character : std::string("TINCAN/2"))
    side.take(bytes_of(std::string(1, character)));
  ASSERT_TRUE(side.failure);
  EXPECT_NE(side.failure->detail().find("TINCAN/2"), std::string::npos) << side.failure->detail();
}

TEST(Greeting, WaitsForTheRestOfThePreamble) {
  Side side;
  side.take(bytes_of("TINCAN/1 HEL"));
  EXPECT_FALSE(side.failure);
  side.take(bytes_of("LO\r\r"));
  EXPECT_TRUE(side.failure);
}

TEST(Greeting, NeedsACommonVersion) {
  const std::tuple<int, int, bool> ranges[] = {
      {1, 1, true}, {1, 9, true}, {2, 9, false}, {0, 1, false}, {3, 2, false}};
  for (const auto& [lowest, highest, fits] : ranges) {
    Side side;
    Hello hello = plain_hello;
    hello.version_lowest = static_cast<std::uint16_t>(lowest);
    hello.version_highest = static_cast<std::uint16_t>(highest);
    side.take(wire::test::hello(hello));
    EXPECT_EQ(side.greeted, fits) << lowest << " " << highest;
    EXPECT_EQ(side.failure.has_value(), !fits);
  }
}

TEST(Greeting, TakesNoMoreThanTheKernelCanCarry) {
  Side side({.descriptors_max = 253});
  Hello hello = plain_hello;
  hello.descriptors_max = 0xFFFFFFFF;
  hello.calls_in_flight_max = 0xFFFFFFFF;
  side.take(wire::test::hello(hello));
  EXPECT_EQ(side.session.peer_hello().descriptors_max, 253u);
  EXPECT_EQ(side.session.peer_hello().calls_in_flight_max, 65535u);
}

// Who reckons with such a size must not come out at the other end.
TEST(Greeting, TakesNoMoreBytesThanThereCanBeInMemory) {
  Side side;
  Hello hello = plain_hello;
  hello.payload_bytes_max = UINT64_MAX;
  hello.loans_max = 1;
  hello.loan_bytes_max = UINT64_MAX;
  side.take(wire::test::hello(hello));
  EXPECT_EQ(side.session.peer_hello().payload_bytes_max, std::uint64_t{PTRDIFF_MAX});
  EXPECT_EQ(side.session.peer_hello().loan_bytes_max, std::uint64_t{PTRDIFF_MAX});
}

// Each costs us a descriptor, so it is not the peer's to say how many there are.
TEST(Greeting, LetsThePeerTakeNoMoreLoansThanWeHandOver) {
  Side side;
  Hello hello = plain_hello;
  hello.loans_max = 0xFFFFFFFF;
  hello.loan_bytes_max = 1;
  side.take(wire::test::hello(hello));
  EXPECT_EQ(side.session.peer_hello().loans_max, limits::loans_ceiling);
}

TEST(Greeting, SendsAwayOnlyOnce) {
  Side side;
  side.take(wire::test::hello(plain_hello));
  const Bytes again = wire::test::hello(plain_hello);
  side.take(std::span(again).subspan(wire::preamble.size()));
  EXPECT_TRUE(side.breached());
}

Moment arrived_deadline(std::int64_t client_offset, std::int64_t server_offset, Moment deadline) {
  Pair pair({.clock_offset_nanoseconds = client_offset},
            {.clock_offset_nanoseconds = server_offset});
  pair.server.time = Moment(INT64_MIN);
  Call call;
  call.deadline = deadline;
  EXPECT_TRUE(pair.client.session.start(call));
  pair.converse();
  return pair.server.calls.empty() ? Moment(INT64_MIN) : pair.server.calls[0].deadline;
}

TEST(Clock, TranslatesDeadlinesBetweenTimeNamespaces) {
  constexpr std::int64_t hour = 3'600'000'000'000;
  EXPECT_EQ(arrived_deadline(0, 0, Moment(5)), Moment(5));
  EXPECT_EQ(arrived_deadline(hour, 0, Moment(5)), Moment(5 + hour));
  EXPECT_EQ(arrived_deadline(0, hour, Moment(5)), Moment(5 - hour));
  EXPECT_EQ(arrived_deadline(hour, -hour, Moment(5)), Moment(5 + 2 * hour));
}

TEST(Clock, TakesSmallDifferencesForReadingTime) {
  EXPECT_EQ(arrived_deadline(99'999'999, 0, Moment(5)), Moment(5));
  EXPECT_EQ(arrived_deadline(0, 99'999'999, Moment(5)), Moment(5));
  EXPECT_EQ(arrived_deadline(100'000'000, 0, Moment(5)), Moment(100'000'005));
}

TEST(Clock, KeepsNeverAndSaturates) {
  constexpr std::int64_t hour = 3'600'000'000'000;
  EXPECT_EQ(arrived_deadline(hour, 0, Moment::never()), Moment::never());
  EXPECT_EQ(arrived_deadline(0, hour, Moment::never()), Moment::never());
  EXPECT_EQ(arrived_deadline(hour, 0, Moment(INT64_MAX - 5)), Moment::never());
  EXPECT_EQ(arrived_deadline(0, hour, Moment(INT64_MIN + 5)), Moment(INT64_MIN));
}

TEST(Clock, ThatCannotBeEndsTheConnection) {
  for (const std::int64_t offset : {INT64_MIN, INT64_MIN + 1}) {
    Side side({.clock_offset_nanoseconds = 2});
    Hello hello = plain_hello;
    hello.clock_offset_nanoseconds = offset;
    side.take(wire::test::hello(hello));
    EXPECT_TRUE(side.breached());
  }
}

TEST(Hello, ThatComesBackWithOurNonceIsNoServers) {
  Side side({.nonce = 42});
  const auto own = side.say();
  side.take(own);
  ASSERT_TRUE(side.failure);
  EXPECT_EQ(side.failure->cause(), Cause::not_tincan);
  EXPECT_FALSE(side.greeted);
}

TEST(Hello, WithAnotherNonceOrNoneIsWelcome) {
  for (const std::uint64_t nonce : {0u, 1u, 43u}) {
    Side side({.nonce = 42});
    Side other({.nonce = nonce});
    side.take(other.say());
    EXPECT_TRUE(side.greeted) << nonce;
  }
  Side without;  // two that have none are not taken for each other
  without.take(Side().say());
  EXPECT_TRUE(without.greeted);
}

}  // namespace
}  // namespace tincan::protocol
