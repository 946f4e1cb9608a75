#pragma once

#include <qb/qbipc_common.h>

#include <memory>

#include "ways/way.h"

namespace bench {

/// Over that transport of libqb.
[[nodiscard]] std::unique_ptr<Way> make_libqb_way(qb_ipc_type transport);
/// The largest message that a datagram can have beside its header.
[[nodiscard]] std::size_t libqb_datagram_bytes_max();

}  // namespace bench
