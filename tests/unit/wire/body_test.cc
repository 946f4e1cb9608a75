#include "wire/body.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "unit/wire/frames.h"

namespace tincan::wire {
namespace {

using test::Bytes;
using test::bytes_of;
using test::text_of;

std::span<const std::byte> body_of(const Bytes& frame) {
  return std::span(frame).subspan(sizeof(FrameHeader));
}

const Hello full_hello{.version_lowest = 1,
                       .version_highest = 7,
                       .payload_bytes_max = 0x1122334455667788,
                       .calls_in_flight_max = 1024,
                       .descriptors_max = 16,
                       .abilities = ability_push | ability_ring,
                       .clock_offset_nanoseconds = -5,
                       .loans_max = 64,
                       .loan_bytes_max = 1ull << 40};

Bytes fields(std::initializer_list<std::pair<std::uint8_t, std::string>> list) {
  Bytes bytes;
  for (const auto& [tag, value] : list) Writer(bytes).field(tag, value);
  return bytes;
}

const std::string versions_1_to_1("\1\0\1\0", 4);

TEST(Hello, ComesBackAsWritten) {
  const Bytes bytes = test::hello(full_hello);
  EXPECT_EQ(text_of(std::span(bytes).first(preamble.size())), "TINCAN/1 HELLO\r\n");
  const Parsed parsed = parse_frame(std::span(bytes).subspan(preamble.size()));
  ASSERT_EQ(parsed.state, Parsed::State::whole);
  EXPECT_EQ(parsed.frame.header.kind, Kind::hello);
  EXPECT_EQ(parsed.frame.header.id, 0u);
  const auto hello = decode_hello(parsed.frame.body);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->version_lowest, 1);
  EXPECT_EQ(hello->version_highest, 7);
  EXPECT_EQ(hello->payload_bytes_max, 0x1122334455667788u);
  EXPECT_EQ(hello->calls_in_flight_max, 1024u);
  EXPECT_EQ(hello->descriptors_max, 16u);
  EXPECT_EQ(hello->abilities, 5u);
  EXPECT_EQ(hello->clock_offset_nanoseconds, -5);
  EXPECT_EQ(hello->loans_max, 64u);
  EXPECT_EQ(hello->loan_bytes_max, 1ull << 40);
}

TEST(Hello, SkipsFieldsItDoesNotKnow) {
  EXPECT_TRUE(decode_hello(fields({{200, "later"}, {1, versions_1_to_1}, {99, ""}})));
}

TEST(Hello, AllowsNothingThatIsNotSaid) {
  const auto hello = decode_hello(fields({{1, versions_1_to_1}}));
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->payload_bytes_max, 0u);
  EXPECT_EQ(hello->calls_in_flight_max, 0u);
  EXPECT_EQ(hello->descriptors_max, 0u);
  EXPECT_EQ(hello->abilities, 0u);
}

TEST(Hello, NeedsASaneRangeOfVersions) {
  EXPECT_FALSE(decode_hello({}));
  EXPECT_FALSE(decode_hello(fields({{2, std::string(8, '\1')}})));
  EXPECT_FALSE(decode_hello(fields({{1, std::string("\0\0\1\0", 4)}})));
  EXPECT_FALSE(decode_hello(fields({{1, std::string("\2\0\1\0", 4)}})));
}

TEST(Hello, RefusesEveryFieldOfAnotherLength) {
  for (std::uint8_t tag = 1; tag <= 9; ++tag) {
    const std::size_t right = tag == 1 || tag == 3 || tag == 4 || tag == 8 ? 4 : 8;
    for (std::size_t length = 0; length <= 9; ++length) {
      Bytes bytes = fields({{1, versions_1_to_1}});
      Writer(bytes).field(tag, std::string(length, '\1'));
      EXPECT_EQ(decode_hello(bytes).has_value(), length == right) << +tag << " " << length;
    }
  }
}

TEST(Hello, RefusesEveryTruncation) {
  const Bytes bytes = test::hello(full_hello);
  const auto body = body_of(bytes).subspan(preamble.size());
  // Fields are optional, so a cut between two of them leaves a shorter HELLO.
  const std::vector<std::size_t> between = {6, 16, 22, 28, 38, 48, 54};
  for (std::size_t length = 0; length < body.size(); ++length) {
    const bool is_between = std::ranges::find(between, length) != between.end();
    EXPECT_EQ(decode_hello(body.first(length)).has_value(), is_between) << length;
  }
}

Prologue full_prologue() {
  Prologue prologue;
  prologue.method = "job.run";
  prologue.method_number = 63;
  prologue.deadline = INT64_MIN;
  prologue.cpu = 0xFFFFFFFF;
  prologue.payload_bytes = UINT64_MAX;
  prologue.trace.emplace();
  for (std::uint8_t i = 0; i < sizeof prologue.trace->bytes; ++i) prologue.trace->bytes[i] = i;
  prologue.idempotent = true;
  prologue.loan = LentPayload{.number = 7, .bytes = UINT64_MAX};
  return prologue;
}

TEST(Prologue, ComesBackAsWritten) {
  const Prologue prologue = full_prologue();
  const Bytes body = test::first_body(prologue, "payload");
  std::span<const std::byte> payload;
  const auto back = test::prologue_of(body, payload);
  ASSERT_TRUE(back);
  EXPECT_EQ(text_of(payload), "payload");
  EXPECT_EQ(back->method, "job.run");
  EXPECT_EQ(back->method_number, 63);
  EXPECT_EQ(back->deadline, INT64_MIN);
  EXPECT_EQ(back->cpu, 0xFFFFFFFFu);
  EXPECT_EQ(back->payload_bytes, UINT64_MAX);
  ASSERT_TRUE(back->trace);
  EXPECT_EQ(std::memcmp(back->trace->bytes, prologue.trace->bytes, 25), 0);
  EXPECT_TRUE(back->idempotent);
  ASSERT_TRUE(back->loan);
  EXPECT_EQ(back->loan->number, 7u);
  EXPECT_EQ(back->loan->bytes, UINT64_MAX);
}

TEST(Prologue, SaysWhereItsDeadlineLies) {
  Bytes body(encoded_prologue_bytes_max);
  const PrologueLayout layout = encode_prologue(full_prologue(), body.data());
  EXPECT_EQ(layout.bytes, test::first_body(full_prologue()).size());
  std::int64_t deadline;
  std::memcpy(&deadline, body.data() + layout.deadline, sizeof deadline);
  EXPECT_EQ(deadline, INT64_MIN);
  EXPECT_EQ(encode_prologue({}, body.data()).deadline, 0u);
}

TEST(Prologue, HasRoomInItsLongestFormAndNoneToSpare) {
  Prologue longest = full_prologue();
  const std::string method(limits::method_bytes_max, 'm');
  longest.method = method;
  Bytes room(encoded_prologue_bytes_max + 8, std::byte{0xEE});
  EXPECT_EQ(encode_prologue(longest, room.data()).bytes, encoded_prologue_bytes_max);
  EXPECT_EQ(Bytes(room.end() - 8, room.end()), Bytes(8, std::byte{0xEE}));
}

TEST(Prologue, OfNothingIsTwoBytes) {
  std::span<const std::byte> payload;
  const Bytes body = test::first_body({}, "x");
  EXPECT_EQ(body.size(), 3u);
  const auto back = test::prologue_of(body, payload);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->method.empty());
  EXPECT_FALSE(back->deadline || back->cpu || back->payload_bytes || back->trace ||
               back->method_number || back->idempotent);
  EXPECT_EQ(text_of(payload), "x");
}

Bytes with_length(std::uint16_t length, const Bytes& rest) {
  return test::joined({std::as_bytes(std::span(&length, 1)), rest});
}

TEST(Prologue, RefusesALengthBeyondItsBodyOrItsLimit) {
  std::span<const std::byte> payload;
  EXPECT_FALSE(test::prologue_of({}, payload));
  EXPECT_FALSE(test::prologue_of(Bytes(1), payload));
  EXPECT_FALSE(test::prologue_of(with_length(1, {}), payload));
  EXPECT_FALSE(test::prologue_of(with_length(0xFFFF, Bytes(100)), payload));
  // 4096 bytes of fields unknown to us, 16 times 254 + 2, are skipped; 2 more are too many.
  Bytes skipped;
  for (int i = 0; i < 16; ++i) Writer(skipped).field(99, std::string(254, 'x'));
  ASSERT_EQ(skipped.size(), limits::prologue_bytes_max);
  EXPECT_TRUE(test::prologue_of(with_length(4096, skipped), payload));
  Writer(skipped).field(99, std::string_view());
  EXPECT_FALSE(test::prologue_of(with_length(4098, skipped), payload));
}

TEST(Prologue, RefusesEveryFieldOfAnotherLength) {
  const std::size_t right[] = {0, 0, 2, 8, 4, 0, 25, 8, 16};
  for (std::uint8_t tag = 1; tag <= 8; ++tag) {
    for (std::size_t length = 0; length <= 26; ++length) {
      Bytes list;
      Writer(list).field(tag, std::string(length, 'a'));
      std::span<const std::byte> payload;
      const auto back =
          test::prologue_of(with_length(static_cast<std::uint16_t>(list.size()), list), payload);
      const bool expected = tag == 1 ? length > 0 : length == right[tag];
      EXPECT_EQ(back.has_value(), expected) << +tag << " " << length;
    }
  }
}

TEST(Prologue, RefusesEveryCutInsideAField) {
  const Bytes body = test::first_body(full_prologue());
  const Bytes list(body.begin() + 2, body.end());
  std::size_t accepted = 0;
  for (std::size_t length = 0; length <= list.size(); ++length) {
    std::span<const std::byte> payload;
    if (test::prologue_of(with_length(static_cast<std::uint16_t>(length), list), payload))
      ++accepted;
  }
  EXPECT_EQ(accepted, 9u);  // before, between and behind its eight fields
}

TEST(Error, ComesBackAsWritten) {
  for (std::uint16_t reason = 1; reason <= 12; ++reason) {
    const Bytes bytes =
        test::error(42, {.reason = static_cast<Reason>(reason), .code = -7, .text = "why"});
    const Parsed parsed = parse_frame(bytes);
    ASSERT_EQ(parsed.state, Parsed::State::whole);
    EXPECT_EQ(parsed.frame.header.kind, Kind::error);
    EXPECT_EQ(parsed.frame.header.id, 42u);
    const auto error = decode_error(parsed.frame.body);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->reason, static_cast<Reason>(reason));
    EXPECT_EQ(error->code, -7);
    EXPECT_EQ(error->text, "why");
  }
}

TEST(Error, ReadsAReasonItDoesNotKnowAsABreach) {
  for (const unsigned reason : {0u, 13u, 0xFFFFu}) {
    const Bytes bytes =
        test::error(1, {.reason = static_cast<Reason>(reason), .code = 0, .text = {}});
    EXPECT_EQ(decode_error(body_of(bytes))->reason, Reason::breach) << reason;
  }
}

TEST(Error, NeedsItsEightFixedBytes) {
  for (std::size_t length = 0; length < 8; ++length) EXPECT_FALSE(decode_error(Bytes(length)));
  EXPECT_TRUE(decode_error(Bytes(8)));
}

TEST(Error, CutsLongTextWithAnEllipsis) {
  const std::string longest = test::pattern(limits::error_text_bytes_max);
  Bytes bytes = test::error(1, {.reason = Reason::declared, .code = 0, .text = longest});
  EXPECT_EQ(decode_error(body_of(bytes))->text, longest);
  const std::string longer = longest + "x";
  bytes = test::error(1, {.reason = Reason::declared, .code = 0, .text = longer});
  const auto error = decode_error(body_of(bytes));
  EXPECT_EQ(error->text.size(), limits::error_text_bytes_max);
  EXPECT_TRUE(error->text.ends_with("…"));
  EXPECT_EQ(parse_frame(bytes).state, Parsed::State::whole);
}

TEST(Bare, IsAHeaderAlone) {
  Bytes bytes;
  encode_bare(Kind::drain, 9, bytes);
  EXPECT_EQ(bytes, test::frame(Kind::drain, 9));
}

const std::string one_mebibyte("\0\0\x10\0\0\0\0\0", 8);

TEST(HandedOver, ComesBackAsWritten) {
  for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
    Bytes bytes(encoded_handover_bytes_max);
    bytes.resize(encode_handover(9, {.kind = kind, .bytes = 1ull << 50}, bytes.data()));
    EXPECT_EQ(bytes.size(), encoded_handover_bytes_max);
    const Parsed parsed = parse_frame(bytes);
    ASSERT_EQ(parsed.state, Parsed::State::whole);
    EXPECT_EQ(parsed.frame.header.kind, Kind::handover);
    EXPECT_EQ(parsed.frame.header.descriptors, 1);
    EXPECT_EQ(parsed.frame.header.id, 9u);
    const auto memory = decode_handover(parsed.frame.body);
    ASSERT_TRUE(memory);
    EXPECT_EQ(memory->kind, kind);
    EXPECT_EQ(memory->bytes, 1ull << 50);
    EXPECT_FALSE(decode_handover(parsed.frame.body.first(parsed.frame.body.size() - 1)));
  }
}

TEST(HandedOver, NeedsAKindThatItKnows) {
  EXPECT_TRUE(decode_handover(fields({{1, "\1"}, {2, one_mebibyte}, {77, "later"}})));
  EXPECT_FALSE(decode_handover(fields({{2, one_mebibyte}})));
  EXPECT_FALSE(decode_handover(fields({{1, "\3"}, {2, one_mebibyte}})));
  EXPECT_FALSE(decode_handover(fields({{1, "\1\1"}, {2, one_mebibyte}})));
  EXPECT_FALSE(decode_handover(fields({{1, "\1"}, {2, "1234"}})));
}

}  // namespace
}  // namespace tincan::wire
