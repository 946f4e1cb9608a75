#pragma once

#include <string>

#include "bench/report/results.h"

namespace cli {

/// The main facts, for who reads nothing else: as HTML, as all of these.
[[nodiscard]] std::string summary_of(const Results& results);
/// Why it is so: sockets and TCP, pipes, wake-ups, CPUs.
[[nodiscard]] std::string words_of(const Results& results);
/// When to use what.
[[nodiscard]] std::string advice_of(const Results& results);
/// What others have claimed, and what was measured here.
[[nodiscard]] std::string claims_of(const Results& results);

}  // namespace cli
