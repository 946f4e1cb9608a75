#pragma once

#include "ways/way.h"

namespace bench {

/// Two of pipe(2), one for each direction.
[[nodiscard]] std::unique_ptr<Way> make_pipe_way();
/// Two of mkfifo(3).
[[nodiscard]] std::unique_ptr<Way> make_fifo_way();

}  // namespace bench
