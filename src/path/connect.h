#pragma once

#include <sys/types.h>

#include <optional>

#include "base/time.h"
#include "tincan/address.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"
#include "tincan/peer.h"

namespace tincan::path {

/// A connected, blocking stream socket and who is at its other end. Before the socket is closed,
/// `forget_socket(peer)` is due.
struct Connection {
  Descriptor socket;
  Peer peer;
};

/// Connects to `address` and checks the server's identity; nothing has been sent yet.
///
/// The server must run as `server_uid`, or without one as root, as ourselves, or as the owner of a
/// socket file that nobody else could have put there. Who is inherited (`fd:`, `systemd:`, `exec:`)
/// is not checked. `fd:` and `systemd:` hand over one connection and cannot be connected to again;
/// `exec:` starts a new child each time. The child belongs to init, not to us, so it leaves no
/// zombie; it sees the end of its connection when ours is closed, and should end then.
/// Errors: `no_server` · `refused` · `deadline` (backlog full) · `path` · `usage` · `exhausted`.
[[nodiscard]] Result<Connection> connect(const Address& address, Moment deadline,
                                         std::optional<uid_t> server_uid);

/// The same without waiting. Nothing: the backlog is full, and no event tells when there is room
/// again; try later. (The kernel answers EAGAIN and has not begun to connect: poll(2) is no help.)
[[nodiscard]] Result<std::optional<Connection>> try_connect(const Address& address,
                                                            std::optional<uid_t> server_uid);

}  // namespace tincan::path
