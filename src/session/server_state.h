#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "session/service.h"
#include "tincan/server.h"

namespace tincan {

/// A server: what its loops share, and the first of them, which fd() and process() drive.
struct Server::State {
  State(std::unique_ptr<session::Service> shared, session::Loop* first)
      : service(std::move(shared)), loop(first) {}

  /// Errors: `usage`, and which option.
  [[nodiscard]] static Result<void> check(const ServerOptions& options);
  [[nodiscard]] static Result<std::unique_ptr<State>> create(Address address,
                                                             const ServerOptions& options,
                                                             std::optional<path::Claim> claim);
  /// Serves `socket` alone, until it ends.
  void adopt(Descriptor socket);

  std::unique_ptr<session::Service> service;
  session::Loop* loop;
  std::atomic<bool> loop_taken = false;
};

}  // namespace tincan
