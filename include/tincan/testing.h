#pragma once

#include <utility>

#include "tincan/client.h"
#include "tincan/server.h"

/// For the tests of programs that use tincan: a server and its client in one process and one
/// thread, with no path and nothing to wait for.
namespace tincan::testing {

/// A server and a client connected to it. While the client waits, it runs the server's handlers on
/// the calling thread, so a test needs no thread and no sleep. A handler that calls its own server
/// through the client waits for itself, as it would in a thread of its own: that call ends at its
/// deadline.
///
///     auto pair = tincan::testing::pair();
///     pair.server.on("greet", …);
///     auto reply = pair.client.call("greet", "world");
struct Pair {
  Server server;
  Client client;
};
[[nodiscard]] Pair pair(const ServerOptions& server = {}, const ClientOptions& client = {});

}  // namespace tincan::testing
