#pragma once

#include <sys/types.h>

#include "tincan/descriptor.h"
#include "tincan/peer.h"

namespace tincan::path {

/// Reads the credentials of the peer of `socket`, which must be connected. The socket is remembered
/// for Peer::pidfd until `forget_socket`. What the kernel does not tell stays unknown.
[[nodiscard]] Peer peer_of(int socket, bool inherited);

/// The peer of an `exec:` connection: the child, known by its own pidfd.
[[nodiscard]] Peer peer_of_child(pid_t pid, Descriptor process);

/// To be called before the socket of `peer` is closed: from then on Peer::pidfd answers `closed`
/// and does not ask a stranger who got the same number.
void forget_socket(const Peer& peer);

}  // namespace tincan::path
