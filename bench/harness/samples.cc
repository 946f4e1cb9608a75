#include "harness/samples.h"

#include <algorithm>
#include <cmath>

namespace bench {

Samples::Samples(std::size_t capacity) : nanoseconds_(capacity, 1) { nanoseconds_.clear(); }

void Samples::add(const Samples& others) {
  nanoseconds_.insert(nanoseconds_.end(), others.nanoseconds_.begin(), others.nanoseconds_.end());
}

std::uint32_t Samples::quantile(double fraction) {
  if (nanoseconds_.empty()) return 0;
  const double rank = std::ceil(fraction * static_cast<double>(nanoseconds_.size()));
  const auto place = nanoseconds_.begin() + static_cast<std::ptrdiff_t>(std::max(1.0, rank)) - 1;
  std::nth_element(nanoseconds_.begin(), place, nanoseconds_.end());
  return *place;
}

}  // namespace bench
