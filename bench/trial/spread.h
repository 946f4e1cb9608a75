#pragma once

#include <vector>

namespace bench {

/// A middle, and what lies around it.
struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;
};

/// The middle of some rounds, and what nine tenths of them lie between. Of at least one value.
[[nodiscard]] Spread spread_of(std::vector<double> values);

/// The middle of ratios, each of a round, in passes that lie apart; and what that of another run is
/// expected to lie between. That is what nine tenths of these rounds lie between, or the prediction
/// interval of one more pass, whichever is wider: rounds of one pass are alike, so how much more
/// than they another run may differ is told by the passes alone. Of at least one value.
[[nodiscard]] Spread expected_of(const std::vector<std::vector<double>>& passes);

}  // namespace bench
