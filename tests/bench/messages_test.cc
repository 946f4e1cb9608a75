#include "ways/messages.h"

#include <gtest/gtest.h>

namespace bench {
namespace {

std::vector<std::byte> copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

/// What is said of `message` where that of `sequence` is expected; empty: nothing is wrong.
std::string complaint(const Messages& messages, std::span<const std::byte> message,
                      std::uint64_t sequence) {
  try {
    messages.check(message, sequence);
    return {};
  } catch (const WrongMessage& wrong) {
    return wrong.what();
  }
}

class MessagesOf : public ::testing::TestWithParam<std::size_t> {
 protected:
  const std::size_t bytes_ = GetParam();
  Messages messages_{GetParam()};
};

TEST_P(MessagesOf, AreTakenInTheirOrder) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    EXPECT_EQ(complaint(messages_, messages_.numbered(i), i), "");
    EXPECT_EQ(complaint(messages_, messages_.last(i), i), "");
    EXPECT_FALSE(Messages::is_last(messages_.numbered(i)));
    EXPECT_TRUE(Messages::is_last(messages_.last(i)));
  }
}

TEST_P(MessagesOf, AreMissedWhenTheyAreLost) {
  EXPECT_EQ(complaint(messages_, messages_.numbered(8), 7),
            "messages are lost: 1 before message 8");
  EXPECT_EQ(complaint(messages_, messages_.numbered(230), 200),
            "messages are lost: 30 before message 230");
}

TEST_P(MessagesOf, AreNoticedWhenTheyComeAgain) {
  EXPECT_EQ(complaint(messages_, messages_.numbered(6), 7),
            "a message came again, or too late, in place of message 7");
}

TEST_P(MessagesOf, AreNoticedWhenAnyByteIsAnother) {
  for (const std::size_t at : {std::size_t{0}, bytes_ / 2, bytes_ - 1}) {
    auto message = copy_of(messages_.numbered(130));
    message[at] ^= std::byte{0x7f};
    const std::string expected = "message 130 is not what was sent: it differs at byte ";
    const std::string said = complaint(messages_, message, 130);
    // A message of one byte is another one then, or none.
    EXPECT_EQ(said, bytes_ == 1 ? said : expected + std::to_string(at));
    EXPECT_NE(said, "");
  }
}

TEST_P(MessagesOf, AreNoticedWhenTheyAreCut) {
  const auto message = messages_.numbered(5);
  EXPECT_NE(complaint(messages_, message.first(bytes_ - 1), 5).find("in place of"),
            std::string::npos);
}

TEST_P(MessagesOf, AreFilledAsTheyAreNumbered) {
  std::vector<std::byte> room(bytes_);
  messages_.fill(room, 99);
  EXPECT_EQ(room, copy_of(messages_.numbered(99)));
}

INSTANTIATE_TEST_SUITE_P(Bytes, MessagesOf, ::testing::Values(1, 2, 127, 1024, 1 << 20),
                         ::testing::PrintToStringParamName());

TEST(LargeMessages, AreFilledAndCheckedInBlocks) {
  const Messages messages(5'000'001);
  std::vector<std::byte> room(messages.bytes());
  messages.fill(room, 77);
  EXPECT_EQ(complaint(messages, room, 77), "");
  for (const std::size_t at : {std::size_t{2'080'767}, std::size_t{2'080'768}, room.size() - 1}) {
    room[at] ^= std::byte{1};
    EXPECT_EQ(complaint(messages, room, 77),
              "message 77 is not what was sent: it differs at byte " + std::to_string(at));
    room[at] ^= std::byte{1};
  }
}

TEST(Receiver, AnswersAllOrOnlyTheLastOfARound) {
  Messages messages(100);
  Receiver all(100, true);
  Receiver last(100, false);
  for (std::uint64_t i = 0; i < 10; ++i) {
    EXPECT_TRUE(all.take(messages.numbered(i)));
    EXPECT_FALSE(last.take(messages.numbered(i)));
  }
  EXPECT_TRUE(last.take(messages.last(10)));
  EXPECT_THROW(static_cast<void>(last.take(messages.numbered(12))), WrongMessage);
}

}  // namespace
}  // namespace bench
