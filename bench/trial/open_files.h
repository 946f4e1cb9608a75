#pragma once

#include <cstdint>

namespace bench {

/// Lifts the soft limit of open descriptors to the hard one, for this process and its children.
void allow_many_descriptors();
/// How many each may have open.
[[nodiscard]] std::uint64_t open_files_max();

}  // namespace bench
