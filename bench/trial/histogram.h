#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

/// How long many operations took, in memory that does not grow with them.
///
/// Quantiles are right to 1/128: a bucket is that much wide, relative to the times in it. Least,
/// most and mean are exact.
class Histogram {
 public:
  Histogram();
  void add(std::chrono::nanoseconds time);
  void add(const Histogram& others);

  /// A bucket that is not empty: the longest time in it, and how many fell into it.
  struct Bucket {
    std::uint64_t longest;
    std::uint64_t count;
  };
  [[nodiscard]] std::vector<Bucket> buckets() const;
  /// So many at most: one for each of 256 ns, and 128 for each of 56 powers of two above.
  static constexpr std::size_t buckets_max = 256 + 56 * 128;
  /// One that another process has measured; of its sum, what its buckets tell.
  [[nodiscard]] static Histogram of(const std::vector<Bucket>& buckets, std::uint64_t least,
                                    std::uint64_t most);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::chrono::nanoseconds least() const;
  [[nodiscard]] std::chrono::nanoseconds most() const;
  [[nodiscard]] std::chrono::nanoseconds mean() const;
  /// The time that at least `fraction` of all did not exceed; 0 when there were none.
  [[nodiscard]] std::chrono::nanoseconds quantile(double fraction) const;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t least_ = UINT64_MAX;
  std::uint64_t most_ = 0;
};

}  // namespace bench
