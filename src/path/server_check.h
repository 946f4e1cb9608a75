#pragma once

#include <sys/types.h>

#include <optional>

#include "tincan/address.h"
#include "tincan/failure.h"
#include "tincan/peer.h"

namespace tincan::path {

/// A client's look at the server before its first byte: somebody else could have put a socket at
/// the address and wait for what we send.
///
/// With `pinned` the server must be that user. Without, it is root, ourselves, or the owner of the
/// socket file, if only that owner, root and we could have put it there. An inherited peer passes.
/// Errors: `refused`.
[[nodiscard]] Result<void> check_server(const Address& address, const Peer& server,
                                        std::optional<uid_t> pinned);

}  // namespace tincan::path
