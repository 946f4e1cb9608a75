#include "session/memory_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tincan::session {
namespace {

std::optional<MemoryCharge> charge(const std::shared_ptr<MemoryBudget>& budget, std::uint64_t uid,
                                   std::uint64_t bytes) {
  return MemoryCharge::of(budget, uid, bytes);
}

TEST(MemoryBudget, IsBoundedForOneAndForAll) {
  const auto budget = std::make_shared<MemoryBudget>(100, 70);
  auto of_one = charge(budget, 1, 70);
  EXPECT_TRUE(of_one);
  EXPECT_FALSE(charge(budget, 1, 1));
  EXPECT_FALSE(charge(budget, 2, 31));
  const auto of_other = charge(budget, 2, 30);
  EXPECT_TRUE(of_other);
  EXPECT_FALSE(charge(budget, 3, 1));
  of_one.reset();
  EXPECT_TRUE(charge(budget, 1, 70));
}

TEST(MemoryBudget, OfWhatIsNobodysIsBoundedInAllAlone) {
  const auto budget = std::make_shared<MemoryBudget>(100, 10);
  const auto most = charge(budget, MemoryBudget::nobody, 95);
  EXPECT_TRUE(most);
  EXPECT_FALSE(charge(budget, MemoryBudget::nobody, 6));
  EXPECT_FALSE(charge(budget, 1, 6));
  EXPECT_TRUE(charge(budget, 1, 5));
}

TEST(MemoryBudget, IsNotFooledByLargeNumbers) {
  const auto budget = std::make_shared<MemoryBudget>(UINT64_MAX, 100);
  const auto some = charge(budget, 1, 50);
  EXPECT_FALSE(charge(budget, 1, UINT64_MAX));
  EXPECT_FALSE(charge(budget, 1, UINT64_MAX - 49));
  EXPECT_FALSE(charge(budget, MemoryBudget::nobody, UINT64_MAX));
  EXPECT_TRUE(charge(budget, 1, 50));
}

TEST(MemoryCharge, IsGivenBackOnceByWhoHasItLast) {
  const auto budget = std::make_shared<MemoryBudget>(100, 100);
  MemoryCharge held;
  {
    auto first = charge(budget, 1, 60);
    ASSERT_TRUE(first);
    held = std::move(*first);
  }
  EXPECT_FALSE(charge(budget, 1, 41));
  held = MemoryCharge();
  EXPECT_TRUE(charge(budget, 1, 100));
}

TEST(MemoryBudget, AddsUpWhicheverThreadsChargeIt) {
  const auto budget = std::make_shared<MemoryBudget>(1000, 1000);
  std::vector<std::thread> threads;
  for (std::uint64_t uid = 0; uid < 4; ++uid) {
    threads.emplace_back([&budget, uid] {
      for (int i = 0; i < 1000; ++i) EXPECT_TRUE(charge(budget, uid, 250));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(charge(budget, 9, 1000));
}

TEST(MemoryBudget, CountsThoseWhoseUidIsUnknownTogether) {
  EXPECT_EQ(MemoryBudget::uid_of(Peer()), UINT64_MAX);
  EXPECT_NE(MemoryBudget::uid_of(Peer()), MemoryBudget::nobody);
}

}  // namespace
}  // namespace tincan::session
