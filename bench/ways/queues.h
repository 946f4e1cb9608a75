#pragma once

#include "ways/way.h"

namespace bench {

/// Two of mq_open(3).
[[nodiscard]] std::unique_ptr<Way> make_posix_queue_way();
[[nodiscard]] std::size_t posix_queue_bytes_max();
/// Two of msgget(2).
[[nodiscard]] std::unique_ptr<Way> make_system_v_queue_way();
[[nodiscard]] std::size_t system_v_queue_bytes_max();

}  // namespace bench
