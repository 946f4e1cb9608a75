#include "protocol/outbox.h"

#include <gtest/gtest.h>

#include "unit/protocol/side.h"
#include "unit/wire/frames.h"

namespace tincan::protocol {
namespace {

using test::descriptors;
using wire::test::bytes_of;
using wire::test::text_of;

void append(Outbox& outbox, std::string_view text) { outbox.bytes().append(bytes_of(text)); }

TEST(Outbox, CountsPositionsAcrossWrites) {
  Outbox outbox;
  append(outbox, "abcdef");
  outbox.advance(4);
  EXPECT_EQ(outbox.written(), 4u);
  EXPECT_EQ(outbox.position(), 6u);
  EXPECT_EQ(text_of(outbox.front().bytes), "ef");
  outbox.advance(2);
  append(outbox, "gh");
  EXPECT_EQ(outbox.position(), 8u);
  EXPECT_EQ(outbox.unsent_bytes(), 2u);
}

TEST(Outbox, KeepsItsBytesWhileItCutsOffWhatWasWritten) {
  Outbox outbox;
  const std::string all = wire::test::pattern(1'000'000);
  std::string out;
  std::size_t in = 0;
  for (std::size_t step = 1; out.size() < all.size(); step = step * 7 % 90'001 + 1) {
    const std::size_t count = std::min(step, all.size() - in);
    append(outbox, std::string_view(all).substr(in, count));
    in += count;
    const auto chunk = outbox.front().bytes;
    const std::size_t taken = std::min(chunk.size(), step * 5 / 6 + 1);
    out += text_of(chunk.first(taken));
    outbox.advance(taken);
  }
  EXPECT_TRUE(out == all);
}

TEST(Outbox, ReleasesWrittenBytesBeforeAllAreWritten) {
  Outbox outbox;
  for (int i = 0; i < 1000; ++i) {
    append(outbox, std::string(10'000, 'x'));
    outbox.advance(i == 0 ? 9'999 : 10'000);
  }
  EXPECT_LT(outbox.bytes().size(), 200'000u);
}

TEST(Outbox, WritesWhatIsLentFromWhereItIsAndKeepsTheRest) {
  Outbox outbox;
  const std::string frame = "a frame";
  ASSERT_TRUE(outbox.may_lend());
  outbox.lend(bytes_of(frame));
  EXPECT_FALSE(outbox.may_lend());
  EXPECT_EQ(outbox.unsent_bytes(), frame.size());
  EXPECT_EQ(static_cast<const void*>(outbox.front().bytes.data()), frame.data());
  outbox.advance(2);
  EXPECT_EQ(outbox.position(), frame.size());
  outbox.keep_lent();
  EXPECT_EQ(text_of(outbox.front().bytes), "frame");
  EXPECT_NE(static_cast<const void*>(outbox.front().bytes.data()), frame.data() + 2);
  outbox.advance(5);
  EXPECT_EQ(outbox.written(), frame.size());
  EXPECT_TRUE(outbox.may_lend());
  outbox.lend(bytes_of(frame));
  outbox.advance(frame.size());
  EXPECT_EQ(outbox.unsent_bytes(), 0u);
}

TEST(Outbox, KeepsWhatIsLentBeforeAnythingElse) {
  Outbox outbox;
  const std::string frame = "first ";
  outbox.lend(bytes_of(frame));
  outbox.append(bytes_of("second "));
  std::memcpy(outbox.prepare(5), "third", 5);
  outbox.commit(5);
  EXPECT_EQ(text_of(outbox.front().bytes), "first second third");
}

TEST(Outbox, EndsAChunkWhereTheNextDescriptorsBelong) {
  Outbox outbox;
  append(outbox, "plain");
  outbox.attach(descriptors(2));
  append(outbox, "with two");
  outbox.attach(descriptors(1));
  append(outbox, "with one");

  EXPECT_EQ(text_of(outbox.front().bytes), "plain");
  EXPECT_TRUE(outbox.front().descriptors.empty());
  outbox.advance(3);
  EXPECT_EQ(text_of(outbox.front().bytes), "in");
  outbox.advance(2);
  EXPECT_EQ(text_of(outbox.front().bytes), "with two");
  EXPECT_EQ(outbox.front().descriptors.size(), 2u);
  outbox.advance(0);
  EXPECT_EQ(outbox.front().descriptors.size(), 2u);
  outbox.advance(1);  // They go with the first byte, so the rest goes without.
  EXPECT_EQ(text_of(outbox.front().bytes), "ith two");
  EXPECT_TRUE(outbox.front().descriptors.empty());
  outbox.advance(7);
  EXPECT_EQ(outbox.front().descriptors.size(), 1u);
}

TEST(Outbox, ClosesDescriptorsOnceTheyWereWritten) {
  Outbox outbox;
  auto list = descriptors(1);
  const int number = list[0].get();
  outbox.attach(std::move(list));
  append(outbox, "x");
  EXPECT_GE(::fcntl(number, F_GETFD), 0);
  outbox.advance(1);
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

TEST(Outbox, ChangesOnlyWhatWasNotWritten) {
  Outbox outbox;
  append(outbox, "0123456789");
  outbox.advance(4);
  EXPECT_FALSE(outbox.patch(3, bytes_of("xy")));
  EXPECT_EQ(text_of(outbox.front().bytes), "456789");
  EXPECT_TRUE(outbox.patch(4, bytes_of("xy")));
  EXPECT_TRUE(outbox.patch(8, bytes_of("z!")));
  EXPECT_EQ(text_of(outbox.front().bytes), "xy67z!");
}

TEST(Outbox, WorksInRoomThatIsLent) {
  Outbox outbox;
  EXPECT_TRUE(outbox.is_bare());
  Buffer room;
  [[maybe_unused]] std::byte* const unused = room.prepare(100);
  const std::byte* const place = room.start();
  outbox.bytes().swap(room);
  EXPECT_FALSE(outbox.is_bare());
  append(outbox, "abc");
  outbox.advance(3);
  outbox.bytes().swap(room);
  EXPECT_EQ(room.start(), place);
  EXPECT_TRUE(outbox.is_bare());
  append(outbox, "d");
  EXPECT_EQ(outbox.position(), 4u);
}

}  // namespace
}  // namespace tincan::protocol
