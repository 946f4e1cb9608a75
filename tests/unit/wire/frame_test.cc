#include "wire/frame.h"

#include <gtest/gtest.h>

#include "unit/wire/frames.h"

namespace tincan::wire {
namespace {

using test::Bytes;
using test::frame;
using State = Parsed::State;

FrameHeader header(Kind kind) {
  return {.body_bytes = 0, .kind = kind, .flags = 0, .descriptors = 0, .id = 0};
}

State state_of(const FrameHeader& header) {
  return parse_frame(std::as_bytes(std::span(&header, 1))).state;
}

TEST(Frame, LiesOnTheWireAsTheDocumentSays) {
  const Bytes bytes =
      frame(Kind::call, 0x0807060504030201, test::bytes_of("ab"), flag_one_way, 0x2A);
  const Bytes expected = {std::byte{2},    std::byte{0},    std::byte{0},    std::byte{0},
                          std::byte{2},    std::byte{4},    std::byte{0x2A}, std::byte{0},
                          std::byte{0x01}, std::byte{0x02}, std::byte{0x03}, std::byte{0x04},
                          std::byte{0x05}, std::byte{0x06}, std::byte{0x07}, std::byte{0x08},
                          std::byte{'a'},  std::byte{'b'}};
  EXPECT_EQ(bytes, expected);
}

TEST(Frame, IsIncompleteAtEveryLengthButItsOwn) {
  const Bytes bytes = frame(Kind::error, 7, test::bytes_of("some body"));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(parse_frame(std::span(bytes).first(length)).state, State::incomplete) << length;
  }
  Bytes longer = bytes;
  longer.push_back(std::byte{0xFF});
  const Parsed parsed = parse_frame(longer);
  ASSERT_EQ(parsed.state, State::whole);
  EXPECT_EQ(parsed.frame.header.id, 7u);
  EXPECT_EQ(test::text_of(parsed.frame.body), "some body");
}

// Attack 1: the length is judged before the body is waited for.
TEST(Frame, RefusesALengthOverItsLimitFromItsHeaderAlone) {
  FrameHeader box = header(Kind::call);
  for (const std::uint32_t lie : {69635u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFF0u, 0xFFFFFFFFu}) {
    box.body_bytes = lie;
    EXPECT_EQ(state_of(box), State::breach) << lie;
  }
  box.body_bytes = 69634;
  EXPECT_EQ(state_of(box), State::incomplete);
  box.body_bytes = 0;
  EXPECT_EQ(state_of(box), State::whole);
}

TEST(Frame, KnowsFifteenKindsAndRefusesTheOthers) {
  for (unsigned kind = 0; kind < 256; ++kind) {
    const bool known = kind >= 1 && kind <= 15;
    EXPECT_EQ(state_of(header(static_cast<Kind>(kind))), known ? State::whole : State::breach)
        << kind;
  }
}

// 256 flag bytes times 15 kinds: messages in fragments have two flags, a call has a third.
TEST(Frame, TakesFlagsOnlyWhereTheyMeanSomething) {
  for (unsigned kind = 1; kind <= kind_highest; ++kind) {
    for (unsigned flags = 0; flags < 256; ++flags) {
      FrameHeader box = header(static_cast<Kind>(kind));
      box.flags = static_cast<std::uint8_t>(flags);
      const bool is_call = box.kind == Kind::call;
      const bool in_fragments = is_call || box.kind == Kind::reply || box.kind == Kind::push;
      const unsigned allowed = is_call ? 7 : in_fragments ? 3 : 0;
      const bool is_batch = is_call && flags == (flag_one_way | flag_batch);
      EXPECT_EQ(state_of(box), (flags & ~allowed) == 0 || is_batch ? State::whole : State::breach)
          << kind << " " << flags;
    }
  }
}

TEST(Frame, TakesDescriptorsOnlyOnTheFirstFragmentOfWhatMayCarryThem) {
  for (unsigned kind = 1; kind <= kind_highest; ++kind) {
    FrameHeader box = header(static_cast<Kind>(kind));
    box.descriptors = 1;
    const bool carries = box.kind == Kind::call || box.kind == Kind::reply ||
                         box.kind == Kind::push || box.kind == Kind::upgrade ||
                         box.kind == Kind::handover;
    EXPECT_EQ(state_of(box), carries ? State::whole : State::breach) << kind;
  }
  FrameHeader box = header(Kind::call);
  box.descriptors = 253;
  EXPECT_EQ(state_of(box), State::whole);
  for (const unsigned flags : {unsigned{flag_continued}, unsigned{flag_one_way | flag_batch}}) {
    box.flags = static_cast<std::uint8_t>(flags);
    EXPECT_EQ(state_of(box), State::breach) << flags;
  }
  box.flags = 0;
  box.descriptors = 254;
  EXPECT_EQ(state_of(box), State::breach);
  box.descriptors = 0xFFFF;
  EXPECT_EQ(state_of(box), State::breach);
}

TEST(Frame, SaysWhatIsWrong) {
  const FrameHeader box{
      .body_bytes = 69635, .kind = Kind::call, .flags = 0, .descriptors = 0, .id = 0};
  EXPECT_STREQ(parse_frame(std::as_bytes(std::span(&box, 1))).breach, "body over 69,634 bytes");
}

TEST(Kind, HasANameForEachAndForTheUnknown) {
  EXPECT_EQ(name(Kind::hello), "hello");
  EXPECT_EQ(name(Kind::release), "release");
  EXPECT_EQ(name(static_cast<Kind>(16)), "unknown");
  EXPECT_EQ(name(static_cast<Kind>(255)), "unknown");
}

TEST(CallId, SplitsIntoSlotAndSequence) {
  for (const CallId id : {CallId{.slot = 0, .sequence = 1}, CallId{.slot = 0xFFFF, .sequence = 2},
                          CallId{.slot = 0x1234, .sequence = CallId::sequence_max}}) {
    const CallId back = CallId::of(id.value());
    EXPECT_EQ(back.slot, id.slot);
    EXPECT_EQ(back.sequence, id.sequence);
  }
  EXPECT_EQ((CallId{.slot = 3, .sequence = 2}.value()), 0x20003u);
}

}  // namespace
}  // namespace tincan::wire
