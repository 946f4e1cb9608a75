#pragma once

#include <cstdint>
#include <memory>

#include "ways/way.h"

namespace bench {

/// How the two sides of iceoryx wait for each other.
enum class IceoryxWait : std::uint8_t { polling, wait_set };

[[nodiscard]] std::unique_ptr<Way> make_iceoryx_way(IceoryxWait wait);

}  // namespace bench
