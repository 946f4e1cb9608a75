#pragma once

#include <cstdint>

#include "base/time.h"
#include "session/connection_queue.h"

namespace tincan::session {

/// A connection's ring, from the client's wish for one until it is gone, and its places among those
/// of its loop.
struct ServerRing {
  explicit ServerRing(Connection* connection) : awake(connection), looked_at(connection) {}

  enum class Stage : std::uint8_t {
    granted,    ///< The client may offer its memory.
    lapsed,     ///< It took too long: its place is another's, and its offer will be refused.
    accepted,   ///< We have moved, and the client is to follow.
    in_use,     ///< Both directions go through it.
    returning,  ///< It is revoked, and the client is to follow.
  };
  Stage stage = Stage::granted;
  std::uint64_t id = 0;
  std::uint64_t capacity_bytes = 0;
  bool kept = false;     ///< However idle it is: the client insists on it.
  bool moved = false;    ///< The client has moved.
  bool counted = true;   ///< By the quota; its place is that of `next`, if there is one.
  bool mapped = false;   ///< It is among those that the loop counts.
  bool watched = false;  ///< The client's doorbell, by epoll.
  bool used = false;     ///< Since it was looked at last.
  bool quiet = false;    ///< Not since the loop was busy with others for a while.
  /// The client's wish for a larger one, which is granted when this one is over.
  struct Wish {
    std::uint64_t id = 0;  ///< 0: there is none.
    std::uint64_t capacity_bytes = 0;
    bool kept = false;
  };
  Wish next;
  Moment look_again;  ///< Whether it is used; at first, whether it was offered.
  Queued awake;       ///< It does not ring us: we look whether there is something.
  Queued looked_at;
};

}  // namespace tincan::session
