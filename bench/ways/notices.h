#pragma once

#include "ways/way.h"

namespace bench {

/// What carries a number of 8 bytes and no more.
inline constexpr std::size_t notice_bytes = 8;

/// Two of eventfd(2): each adds its number to the other's, which is 0.
[[nodiscard]] std::unique_ptr<Way> make_eventfd_way();
/// sigqueue(3) and sigwaitinfo(2), of a real-time signal.
[[nodiscard]] std::unique_ptr<Way> make_signal_way();

}  // namespace bench
