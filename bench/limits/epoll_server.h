#pragma once

#include <string>

namespace limits {

/// Serves `address` (see harness/socket.h) from one epoll loop for ever: greets every client, and
/// answers each bench::request_bytes with bench::reply_bytes that begin as the request did.
[[noreturn]] void run_epoll_server(int listener);

}  // namespace limits
