#pragma once

namespace bench {

/// Lifts the soft limit of open descriptors to the hard one, for this process and its children.
void allow_many_descriptors();

}  // namespace bench
