#include "trial/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace bench {

namespace {

// Times below 256 ns have a bucket each. Above, a time is shifted right until 8 bits are left, the
// highest of them set: 128 buckets for each power of two.
constexpr int exact_bits = 8;
constexpr std::uint64_t buckets_per_power = 128;

constexpr std::size_t bucket_of(std::uint64_t time) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(time)) - exact_bits);
  return static_cast<std::size_t>(shift) * buckets_per_power + (time >> shift);
}

/// The longest time that falls into `bucket`.
std::uint64_t longest_in(std::size_t bucket) {
  if (bucket < 2 * buckets_per_power) return bucket;
  const std::uint64_t shift = bucket / buckets_per_power - 1;
  const std::uint64_t leading = bucket % buckets_per_power + buckets_per_power;
  return ((leading + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(buckets_max) {
  static_assert(bucket_of(UINT64_MAX) + 1 == buckets_max);
}

void Histogram::add(std::chrono::nanoseconds time) {
  const auto nanoseconds = static_cast<std::uint64_t>(time.count());
  ++buckets_[bucket_of(nanoseconds)];
  ++count_;
  sum_ += nanoseconds;
  least_ = std::min(least_, nanoseconds);
  most_ = std::max(most_, nanoseconds);
}

void Histogram::add(const Histogram& others) {
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    buckets_[bucket] += others.buckets_[bucket];
  }
  count_ += others.count_;
  sum_ += others.sum_;
  least_ = std::min(least_, others.least_);
  most_ = std::max(most_, others.most_);
}

std::vector<Histogram::Bucket> Histogram::buckets() const {
  std::vector<Bucket> filled;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    if (buckets_[bucket] > 0) filled.push_back({longest_in(bucket), buckets_[bucket]});
  }
  return filled;
}

Histogram Histogram::of(const std::vector<Bucket>& buckets, std::uint64_t least,
                        std::uint64_t most) {
  Histogram histogram;
  for (const Bucket& bucket : buckets) {
    histogram.buckets_[bucket_of(bucket.longest)] += bucket.count;
    histogram.count_ += bucket.count;
    histogram.sum_ += bucket.longest * bucket.count;
  }
  histogram.least_ = least;
  histogram.most_ = most;
  return histogram;
}

std::chrono::nanoseconds Histogram::least() const {
  return std::chrono::nanoseconds(count_ == 0 ? 0 : least_);
}

std::chrono::nanoseconds Histogram::most() const { return std::chrono::nanoseconds(most_); }

std::chrono::nanoseconds Histogram::mean() const {
  return std::chrono::nanoseconds(count_ == 0 ? 0 : sum_ / count_);
}

std::chrono::nanoseconds Histogram::quantile(double fraction) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size() && count_ > 0; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted && seen > 0) {
      return std::chrono::nanoseconds(std::clamp(longest_in(bucket), least_, most_));
    }
  }
  return {};
}

}  // namespace bench
