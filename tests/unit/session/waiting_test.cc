#include "session/waiting.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tincan::session {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t this_cpu = 1;
constexpr std::uint32_t another_cpu = 2;
constexpr std::uint32_t unknown_cpu = UINT32_MAX;
const Moment soon(INT64_MAX / 2);

/// A budget that was used up in vain so often that it looks no more.
SpinBudget disappointed() {
  SpinBudget budget(Waiting::adaptive);
  while (budget.is_worthwhile(another_cpu, this_cpu)) {
    budget.slept_since(Moment(1));
  }
  return budget;
}

TEST(SpinBudget, NeverLooksWhenItIsToBlock) {
  const SpinBudget budget(Waiting::block);
  EXPECT_FALSE(budget.is_worthwhile(another_cpu, this_cpu));
  EXPECT_TRUE(budget.always_sleeps());
}

TEST(SpinBudget, AlwaysLooksWhenItIsToSpin) {
  SpinBudget budget(Waiting::spin);
  budget.slept_since(Moment(1));
  EXPECT_TRUE(budget.is_worthwhile(unknown_cpu, this_cpu));
  EXPECT_TRUE(budget.is_worthwhile(this_cpu, this_cpu));
  EXPECT_TRUE(budget.never_sleeps());
}

TEST(SpinBudget, LooksForNobodyOnThisCpuOrWhoDoesNotSayWhereHeIs) {
  const SpinBudget budget(Waiting::adaptive);
  EXPECT_TRUE(budget.is_worthwhile(another_cpu, this_cpu));
  EXPECT_FALSE(budget.is_worthwhile(unknown_cpu, this_cpu));
  EXPECT_FALSE(budget.is_worthwhile(this_cpu, this_cpu));
}

TEST(SpinBudget, LearnsNotToLookFromLongSleepsAndToLookFromShortOnes) {
  SpinBudget budget = disappointed();
  EXPECT_FALSE(budget.is_worthwhile(another_cpu, this_cpu));
  for (int i = 0; i < 8; ++i) budget.slept_since(os::now());
  EXPECT_TRUE(budget.is_worthwhile(another_cpu, this_cpu));
}

TEST(SpinBudget, LooksUntilSomethingComesOrItsTimeIsUp) {
  SpinBudget budget(Waiting::adaptive);
  int looks = 0;
  EXPECT_TRUE(budget.look_for([&] { return ++looks == 3; }, soon));
  EXPECT_EQ(looks, 3);
  EXPECT_EQ(budget.looked(), 0ns) << "less than it takes to tell";
  EXPECT_FALSE(budget.look_for([] { return false; }, soon));
  EXPECT_FALSE(budget.look_for([] { return false; }, Moment()));
}

TEST(SpinBudget, TellsHowLongItLookedInVain) {
  SpinBudget budget(Waiting::adaptive);
  // Unless the machine holds it up, which ends a look early.
  for (int i = 0; i < 1000 && budget.looked() < os::wake_up_cost(); ++i) {
    (void)budget.look_for([] { return false; }, soon);
  }
  EXPECT_GE(budget.looked(), os::wake_up_cost());
}

/// How much of a second somebody may have the server look who comes every `interval`, as long as it
/// is looked for him.
Nanoseconds looked_in_a_second(Nanoseconds interval) {
  LookAllowance allowance;
  Nanoseconds looked{0};
  const Moment start(1'000'000'000'000);
  for (Moment now = start; now < start + 1s; now = now + interval) {
    if (!allowance.is_left(now)) continue;
    allowance.charge(now + interval, LookAllowance::share(interval, 1));
    looked += interval;
  }
  return looked;
}

TEST(LookAllowance, LeavesThoseAloneWhoComeBeforeASleepWouldHavePaid) {
  EXPECT_EQ(looked_in_a_second(1us), 1s);
  EXPECT_EQ(looked_in_a_second(5us), 1s);
}

TEST(LookAllowance, GivesAnEighthOfTheCpuToThoseWhoComeJustBeforeTheLookEnds) {
  for (const Nanoseconds interval : {45us, 90us, 200us}) {
    const Nanoseconds looked = looked_in_a_second(interval);
    EXPECT_GT(looked, 100ms) << interval.count();
    EXPECT_LT(looked, 160ms) << interval.count();
  }
}

TEST(LookAllowance, IsThereAgainAfterAPause) {
  LookAllowance allowance;
  const Moment start(1'000'000'000'000);
  allowance.charge(start, 1s);
  EXPECT_FALSE(allowance.is_left(start + 7900ms));
  EXPECT_TRUE(allowance.is_left(start + 8s));
}

TEST(LookAllowance, TakesOffWhatASleepWouldHaveCostOnceForALookHoweverManyItIsFor) {
  EXPECT_EQ(LookAllowance::share(LookAllowance::free, 1), 0ns);
  EXPECT_EQ(LookAllowance::share(LookAllowance::free, 100), 0ns);
  const Nanoseconds paid_by_one = LookAllowance::share(200us, 1);
  EXPECT_EQ(paid_by_one, 200us - LookAllowance::free);
  for (const int connections : {2, 3, 40, 1000, 1'000'000}) {
    const Nanoseconds paid = connections * LookAllowance::share(200us, connections);
    EXPECT_GE(paid, paid_by_one) << connections;
    EXPECT_LT(paid - paid_by_one, Nanoseconds(connections)) << connections;
  }
}

/// How much of a second somebody may have the server look who has so many connections, all of which
/// it looks for until each look ends.
Nanoseconds looked_for_many(int connections) {
  LookAllowance allowance;
  Nanoseconds looked{0};
  const Moment start(1'000'000'000'000);
  for (Moment now = start; now < start + 1s; now = now + 200us) {
    if (!allowance.is_left(now)) continue;
    for (int i = 0; i < connections; ++i) {
      allowance.charge(now + 200us, LookAllowance::share(200us, connections));
    }
    looked += 200us;
  }
  return looked;
}

TEST(LookAllowance, IsNoLargerForThoseWhoHaveManyConnections) {
  for (const int connections : {2, 40, 100}) {
    EXPECT_LE(looked_for_many(connections), looked_for_many(1)) << connections;
  }
}

TEST(LookAllowance, LosesNothingOfWhatSeveralLoopsChargeAtOnce) {
  LookAllowance allowance;
  const Moment start(1'000'000'000'000);
  constexpr int charges = 200'000;
  std::vector<std::thread> loops;
  for (int i = 0; i < 4; ++i) {
    loops.emplace_back([&] {
      for (int j = 0; j < charges; ++j) allowance.charge(start, 1us);
    });
  }
  for (std::thread& loop : loops) loop.join();
  // 800 ms at an eighth of a CPU; 10 ms may be used at once.
  EXPECT_FALSE(allowance.is_left(start + (6400ms - 80ms)));
}

}  // namespace
}  // namespace tincan::session
