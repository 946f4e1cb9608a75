#pragma once

#include <optional>

#include "path/claim.h"
#include "tincan/client.h"

namespace tincan::session {

/// An address that was claimed.
struct Claimed {
  path::Claim claim;
  /// Where the address was taken over: the connection to the server that serves it until it is told
  /// to stop (Service::begin), and goes on serving when this connection ends before. It is never
  /// made a second time: the next one could be to ourselves.
  std::optional<Client> predecessor;
};

/// Claims `address`, with ListenOptions::take_over from a living server if it has to be.
/// Errors: as path::Claim::make; also `held` when the living server does not hand it over.
[[nodiscard]] Result<Claimed> claim(const Address& address, const ListenOptions& options);

}  // namespace tincan::session
