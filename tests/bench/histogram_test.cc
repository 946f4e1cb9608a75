#include "trial/histogram.h"

#include <gtest/gtest.h>

namespace bench {
namespace {

using std::chrono::nanoseconds;

Histogram counting_to(int last) {
  Histogram histogram;
  for (int i = 1; i <= last; ++i) histogram.add(nanoseconds(i));
  return histogram;
}

TEST(Histogram, HasQuantilesThatAreRightToOnePartIn128) {
  const Histogram times = counting_to(100'000);
  for (const double fraction : {0.5, 0.9, 0.99, 0.999}) {
    const auto found = static_cast<double>(times.quantile(fraction).count());
    EXPECT_GE(found, fraction * 100'000);
    EXPECT_LE(found, fraction * 100'000 * (1 + 1.0 / 128));
  }
  EXPECT_EQ(times.least().count(), 1);
  EXPECT_EQ(times.most().count(), 100'000);
  EXPECT_EQ(times.mean().count(), 50'000);
}

TEST(Histogram, IsTheSameWhenItIsAddedUpFromParts) {
  Histogram all;
  Histogram parts;
  for (int part = 0; part < 4; ++part) {
    Histogram one;
    for (int i = 4000 - part * 1000; i > 3000 - part * 1000; --i) {
      one.add(nanoseconds(i * 37));
      all.add(nanoseconds(i * 37));
    }
    parts.add(one);
  }
  EXPECT_EQ(parts.count(), all.count());
  EXPECT_EQ(parts.mean(), all.mean());
  EXPECT_EQ(parts.least(), all.least());
  EXPECT_EQ(parts.most(), all.most());
  for (const double fraction : {0.1, 0.5, 0.99}) {
    EXPECT_EQ(parts.quantile(fraction), all.quantile(fraction));
  }
}

TEST(Histogram, IsTheSameAfterItsBucketsHaveTravelled) {
  const Histogram times = counting_to(10'000);
  const Histogram received =
      Histogram::of(times.buckets(), static_cast<std::uint64_t>(times.least().count()),
                    static_cast<std::uint64_t>(times.most().count()));
  EXPECT_EQ(received.count(), times.count());
  EXPECT_EQ(received.most(), times.most());
  for (const double fraction : {0.01, 0.5, 0.999}) {
    EXPECT_EQ(received.quantile(fraction), times.quantile(fraction));
  }
}

}  // namespace
}  // namespace bench
