#include "wire/batch.h"

#include <gtest/gtest.h>

#include "tincan/limits.h"
#include "unit/wire/frames.h"

namespace tincan::wire {
namespace {

using test::bytes_of;
using test::text_of;
using namespace std::string_literals;

constexpr std::uint64_t any = UINT64_MAX;

std::string message(std::string_view text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes.append(text);
}

TEST(WireBatch, GivesItsMessagesBack) {
  const std::string batch = message("one") + message("") + message("three");
  std::span<const std::byte> rest = bytes_of(batch);
  EXPECT_EQ(count_messages(rest, any), 3u);
  EXPECT_EQ(text_of(take_message(rest)), "one");
  EXPECT_EQ(text_of(take_message(rest)), "");
  EXPECT_EQ(text_of(take_message(rest)), "three");
  EXPECT_TRUE(rest.empty());
}

TEST(WireBatch, IsNoneUnlessItsLengthsAddUp) {
  const std::string whole = message("one") + message("three");
  for (std::size_t count = 1; count < whole.size(); ++count) {
    const bool between = count == message("one").size();
    EXPECT_EQ(count_messages(bytes_of(whole.substr(0, count)), any).has_value(), between) << count;
  }
  EXPECT_FALSE(count_messages(bytes_of(whole + "x"), any));
  EXPECT_FALSE(count_messages(bytes_of("\xff\xff\xff\xff"s), any));
  EXPECT_FALSE(count_messages({}, any)) << "a batch has a message";
}

TEST(WireBatch, HasNoMessageOverThePayloadThatWasAgreedOn) {
  EXPECT_TRUE(count_messages(bytes_of(message("one") + message("three")), 5));
  EXPECT_FALSE(count_messages(bytes_of(message("one") + message("three")), 4));
}

TEST(WireBatch, HasNoMoreMessagesThanATurnMayTake) {
  std::string batch;
  for (std::size_t i = 0; i < limits::batch_messages_max; ++i) batch += message("");
  EXPECT_EQ(count_messages(bytes_of(batch), any), limits::batch_messages_max);
  EXPECT_FALSE(count_messages(bytes_of(batch + message("")), any));
}

}  // namespace
}  // namespace tincan::wire
