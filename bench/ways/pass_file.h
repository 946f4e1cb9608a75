#pragma once

#include <optional>

/// A file passed along over a Unix socket: unix(7), SCM_RIGHTS. Whatever fails throws.
namespace bench {

/// With one byte.
void send_file(int socket, int file);
/// The file that came with a byte, the caller's to close; -1: there was none. None: the other side
/// has ended.
[[nodiscard]] std::optional<int> receive_file(int socket);

}  // namespace bench
