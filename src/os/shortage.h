#pragma once

#include <string>

namespace tincan::os {

/// `error`, which says that something ran out, and what helps: the limit that was reached, as it is
/// now, and how it is raised.
[[nodiscard]] std::string describe_shortage(int error);

/// The same of memory that cannot be locked.
[[nodiscard]] std::string describe_lock_shortage(int error);

}  // namespace tincan::os
