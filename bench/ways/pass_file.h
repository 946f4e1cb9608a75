#pragma once

#include <optional>

#include "tincan/descriptor.h"

/// A file passed along over a Unix socket: unix(7), SCM_RIGHTS. Whatever fails throws.
namespace bench {

/// With one byte.
void send_file(int socket, int file);
/// The file that came with a byte, if one did. None: the other side has ended.
[[nodiscard]] std::optional<tincan::Descriptor> receive_file(int socket);

}  // namespace bench
