#include "base/payload.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tincan {
namespace {

class PayloadTest : public ::testing::Test {
 protected:
  ~PayloadTest() override { pool_->drop(); }
  void append(Payload& payload, const std::string& text) {
    payload.append(*pool_, std::as_bytes(std::span(text)));
  }
  static std::string text(const Payload& payload) {
    const auto bytes = payload.bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  /// A block that was given back, so that the pool keeps it.
  const PayloadBlock* give_back(std::size_t capacity) {
    PayloadBlock* const block = pool_->acquire(capacity);
    PayloadPool::release(block);
    return block;
  }

  PayloadPool* const pool_ = PayloadPool::create();
};

TEST_F(PayloadTest, OfNothingHasNoBlock) {
  Payload payload;
  append(payload, "");
  EXPECT_TRUE(payload.bytes().empty());
  EXPECT_EQ(payload.release(), nullptr);
}

TEST_F(PayloadTest, GrowsByWhatIsAppended) {
  Payload payload;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    const std::string part(static_cast<std::size_t>(i * 7 % 1001), static_cast<char>('a' + i % 26));
    append(payload, part);
    expected += part;
  }
  EXPECT_EQ(text(payload), expected);
}

TEST_F(PayloadTest, TakesRoomForWhatArrivedAndNoMoreThanTwice) {
  Payload payload;
  append(payload, std::string(100'000, 'x'));
  append(payload, "y");
  PayloadBlock* const block = payload.release();
  EXPECT_LE(block->capacity(), 200'002u);
  PayloadPool::release(block);
}

TEST_F(PayloadTest, MovesWithItsBytes) {
  Payload one;
  append(one, "bytes");
  Payload two = std::move(one);
  EXPECT_EQ(text(two), "bytes");
  EXPECT_TRUE(one.bytes().empty());
  Payload three;
  append(three, "others");
  three = std::move(two);
  EXPECT_EQ(text(three), "bytes");
}

TEST_F(PayloadTest, UsesABlockAgain) {
  const PayloadBlock* const given_back = give_back(100);
  PayloadBlock* const block = pool_->acquire(200);
  EXPECT_EQ(block, given_back);
  EXPECT_TRUE(block->bytes().empty());
  PayloadPool::release(block);
}

TEST_F(PayloadTest, KeepsNoLargeBlock) {
  const auto kept = [&](std::size_t capacity) {
    PayloadBlock* const block = pool_->acquire(capacity);
    PayloadPool::release(block);
    PayloadBlock* const next = pool_->acquire(1);
    const bool same = next->capacity() == capacity;
    PayloadPool::release(next);
    return same;
  };
  EXPECT_FALSE(kept(PayloadPool::block_bytes_max + 1));
  EXPECT_TRUE(kept(PayloadPool::block_bytes_max));
}

TEST_F(PayloadTest, KeepsNoMoreThanItsBound) {
  constexpr std::size_t block_bytes = PayloadPool::block_bytes_max;
  constexpr std::size_t kept_max = PayloadPool::kept_bytes_max / block_bytes;
  std::vector<PayloadBlock*> blocks;
  for (std::size_t i = 0; i < kept_max + 5; ++i) blocks.push_back(pool_->acquire(block_bytes));
  for (PayloadBlock* const block : blocks) PayloadPool::release(block);
  blocks.clear();
  // Those kept have the large capacity; those that had to be made for so little do not.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < kept_max + 5; ++i) {
    blocks.push_back(pool_->acquire(1));
    if (blocks.back()->capacity() == block_bytes) ++kept;
  }
  for (PayloadBlock* const block : blocks) PayloadPool::release(block);
  EXPECT_EQ(kept, kept_max);
}

TEST_F(PayloadTest, OutlivesWhoeverMadeItsPool) {
  PayloadPool* const pool = PayloadPool::create();
  Payload payload;
  const std::string reply = "a reply may outlive its client";
  payload.append(*pool, std::as_bytes(std::span(reply)));
  pool->drop();
  EXPECT_EQ(text(payload), reply);
}

}  // namespace
}  // namespace tincan
