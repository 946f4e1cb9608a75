#pragma once

#include <optional>
#include <string>

#include "os/socket.h"
#include "path/directory.h"

/// Names in the form the kernel takes, which is at most limits::sun_path_bytes_max bytes. Longer
/// ones go through /proc/self/fd, so they need /proc to be mounted.
namespace tincan::path {

/// The name in the place's directory under which a socket is bound, before it is published. Only
/// who has the lock uses it, so it is always the same, and what a crash left there is found.
[[nodiscard]] std::string temporary_name(const Place& place);

/// For bind(2) to the temporary name, in the directory that was checked, wherever its path leads by
/// now. Lives as long as `place`.
[[nodiscard]] os::SocketAddress temporary_address(const Place& place);
/// The same by the directory's path, for a process without /proc; none when there is /proc, or the
/// path is too long.
[[nodiscard]] std::optional<os::SocketAddress> temporary_address_by_text(const Place& place);

/// For connect(2); lives as long as `file`, which a long path needs.
struct Target {
  os::SocketAddress address;
  Descriptor file;
};
/// The socket that is called `path`, and `name` in `directory`.
/// Errors: as open(2), if the path is long.
[[nodiscard]] os::Sys<Target> target(const std::string& path, int directory,
                                     const std::string& name);

}  // namespace tincan::path
