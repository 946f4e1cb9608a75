#pragma once

#include <tincan/options.h>

#include "ways/way.h"

namespace bench {

/// Calls of this library, with its options as they are but for the transport.
[[nodiscard]] std::unique_ptr<Way> make_tincan_way(tincan::Transport transport);
/// The same, and payloads are built in place and handed over.
[[nodiscard]] std::unique_ptr<Way> make_tincan_loan_way(tincan::Handover kind);

}  // namespace bench
