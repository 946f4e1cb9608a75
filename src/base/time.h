#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

/// Points in time inside the library: nanoseconds of CLOCK_MONOTONIC, so that one number serves the
/// wire, the kernel and comparison. A clock that can jump is used nowhere.
namespace tincan {

using Nanoseconds = std::chrono::nanoseconds;

/// A moment of CLOCK_MONOTONIC; `never` lies after all others.
class Moment {
 public:
  constexpr Moment() = default;
  constexpr explicit Moment(std::int64_t nanoseconds) : nanoseconds_(nanoseconds) {}
  static constexpr Moment never() { return Moment(INT64_MAX); }

  [[nodiscard]] constexpr std::int64_t nanoseconds() const { return nanoseconds_; }
  [[nodiscard]] constexpr bool is_never() const { return nanoseconds_ == INT64_MAX; }
  constexpr auto operator<=>(const Moment&) const = default;

  /// Saturates: a wait that is too long to express lasts for ever. Negative waits count as none.
  constexpr Moment operator+(Nanoseconds wait) const {
    if (wait.count() <= 0) return *this;
    std::int64_t sum;
    if (is_never() || __builtin_add_overflow(nanoseconds_, wait.count(), &sum)) return never();
    return Moment(sum);
  }
  /// Time from `earlier` to here; zero when that has passed, the maximum when here is never.
  [[nodiscard]] constexpr Nanoseconds since(Moment earlier) const {
    if (is_never()) return Nanoseconds::max();
    if (earlier >= *this) return Nanoseconds(0);
    std::int64_t difference;
    const bool overflows = __builtin_sub_overflow(nanoseconds_, earlier.nanoseconds_, &difference);
    return overflows ? Nanoseconds::max() : Nanoseconds(difference);
  }

 private:
  std::int64_t nanoseconds_ = 0;
};

/// libstdc++'s steady_clock counts the same nanoseconds of CLOCK_MONOTONIC.
inline std::optional<std::chrono::steady_clock::time_point> to_time_point(Moment moment) {
  if (moment.is_never()) return std::nullopt;
  return std::chrono::steady_clock::time_point(Nanoseconds(moment.nanoseconds()));
}

}  // namespace tincan
