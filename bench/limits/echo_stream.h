#pragma once

namespace limits {

/// Sends whatever comes back as it came, for ever.
[[noreturn]] void echo_stream(int socket);

}  // namespace limits
