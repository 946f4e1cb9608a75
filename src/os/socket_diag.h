#pragma once

#include "os/file.h"
#include "os/result.h"

/// What the kernel's own list of Unix sockets says, sock_diag(7). It covers our network namespace,
/// and knows of sockets that are bound and do not listen, which connect(2) cannot tell from dead
/// ones. Errors: also ENOENT where the kernel has no unix_diag.
namespace tincan::os {

/// True when a socket of some process is bound to `file`.
[[nodiscard]] Sys<bool> is_bound(const FileId& file);
/// True when `socket` is bound to `file`.
[[nodiscard]] Sys<bool> is_bound_to(int socket, const FileId& file);

}  // namespace tincan::os
