#pragma once

#include "tincan/address.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"

namespace tincan::path {

/// A socket that was handed to this process.
struct Inherited {
  Descriptor socket;
  bool listening = false;  ///< Else it is a connection.
};

/// Takes the socket that `fd:` or `systemd:` names, and sets close-on-exec on it; its other flags
/// belong to the giver too and stay.
///
/// A systemd socket is taken once: a second time it would be closed twice. LISTEN_FDS and its kin
/// stay in the environment, for changing that is not safe beside other threads; LISTEN_PID keeps
/// our children from believing them.
/// Errors: `usage` when there is no such descriptor, or it is no Unix stream socket.
[[nodiscard]] Result<Inherited> take_inherited(const Address& address);

}  // namespace tincan::path
