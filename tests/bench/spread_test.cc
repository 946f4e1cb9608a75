#include "trial/spread.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bench {
namespace {

std::vector<double> numbers_to(int last) {
  std::vector<double> numbers;
  for (int number = 0; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

TEST(Spread, OfRoundsIsWhatNineTenthsOfThemLieBetween) {
  const Spread spread = spread_of(numbers_to(100));
  EXPECT_EQ(spread.median, 50);
  EXPECT_EQ(spread.low, 5);
  EXPECT_EQ(spread.high, 95);
}

TEST(Spread, OfOneRoundIsThat) {
  const Spread spread = spread_of({7});
  EXPECT_EQ(spread.low, 7);
  EXPECT_EQ(spread.median, 7);
  EXPECT_EQ(spread.high, 7);
}

TEST(Spread, LiesBetweenTwoRoundsInPartsOfTheirDistance) {
  EXPECT_DOUBLE_EQ(spread_of({2, 1}).median, 1.5);
  EXPECT_DOUBLE_EQ(spread_of({2, 1}).high, 1.95);
}

// What is expected of the next of 1, 2 and 4, in steps by two: 1 step either side is their standard
// deviation, 9.925 what Student's distribution says of three, and four thirds what the mean itself
// may be off.
TEST(Spread, OfAnotherRunIsToldByHowMuchPassesDiffer) {
  const Spread spread = expected_of({{1, 1}, {4, 4}, {2, 2}});
  EXPECT_DOUBLE_EQ(spread.median, 2);
  EXPECT_NEAR(std::log2(spread.high / 2), 9.925 * std::sqrt(4. / 3), 1e-3);
  EXPECT_NEAR(std::log2(spread.low / 2), -9.925 * std::sqrt(4. / 3), 1e-3);
}

TEST(Spread, OfAnotherRunIsNoLessThanThatOfRounds) {
  const Spread spread = expected_of({numbers_to(100), numbers_to(100), numbers_to(100)});
  EXPECT_EQ(spread.median, 50);
  EXPECT_EQ(spread.low, 5);
  EXPECT_EQ(spread.high, 95);
}

TEST(Spread, OfFewerThanThreePassesIsThatOfTheirRounds) {
  const Spread spread = expected_of({{1, 2, 3}, {}, {5, 6}});
  EXPECT_EQ(spread.median, 3);
  EXPECT_DOUBLE_EQ(spread.low, 1.2);
  EXPECT_DOUBLE_EQ(spread.high, 5.8);
}

}  // namespace
}  // namespace bench
