#pragma once

#include <string>

#include "system/running_server.h"

namespace tincan::test {

/// Of a client that asks for a ring whenever it has made two calls, however slow this machine is.
inline ClientOptions eager() {
  ClientOptions options;
  options.transport = Transport::automatic;
  options.ring_after_calls = 2;
  options.ring_window = std::chrono::hours(1);
  return options;
}

/// Calls until the connection has a ring. False: it never got one.
inline bool reach_ring(Client& client) {
  for (int i = 0; i < 1000; ++i) {
    if (client.ring_bytes() > 0) return true;
    if (!client.call("echo", "x", {.deadline = patience})) return false;
  }
  return false;
}

/// What the server answers, or why it does not.
inline std::string reply_to(Client& client, const std::string& text) {
  auto reply = client.call("echo", text, {.deadline = patience});
  return reply ? std::string(reply->text()) : reply.error().explain();
}

/// A server with a method `echo`, for connections that move to rings.
class Rings : public ::testing::Test {
 protected:
  explicit Rings(const ServerOptions& options = {}) : server_(options) {
    server_->on("echo",
                [](Request request) { request.reply(request.payload(), request.descriptors()); });
  }

  RunningServer server_;
};

/// Never taken back for lying idle.
class LastingRings : public Rings {
 protected:
  LastingRings() : Rings(ServerOptions{.ring_idle = std::chrono::hours(1)}) {}
};

}  // namespace tincan::test
