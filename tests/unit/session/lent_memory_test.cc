#include "session/lent_memory.h"

#include <gtest/gtest.h>

namespace tincan::session {
namespace {

Cause cause_of(Result<LentMemory*> memory) {
  EXPECT_FALSE(memory);
  if (memory) (*memory)->drop();
  return memory ? Cause::declared : memory.error().cause();
}

// A peer says what it takes, and a handler may believe it.
TEST(LentMemory, IsNotMadeOfASizeThatNothingInMemoryHas) {  // P13
  for (const std::uint64_t bytes : {UINT64_MAX, UINT64_MAX - 1, std::uint64_t{INT64_MAX}}) {
    EXPECT_EQ(cause_of(LentMemory::plain(bytes)), Cause::exhausted) << bytes;
    EXPECT_EQ(cause_of(LentMemory::make(bytes, Handover::immutable, {})), Cause::exhausted);
  }
}

TEST(LentMemory, OfNoBytesIsPlainMemoryToo) {
  const auto memory = LentMemory::plain(0);
  ASSERT_TRUE(memory);
  EXPECT_TRUE((*memory)->is_plain());
  EXPECT_TRUE((*memory)->bytes().empty());
  (*memory)->drop();
}

}  // namespace
}  // namespace tincan::session
