#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "os/doorbell.h"
#include "os/poller.h"
#include "transport/ring_memory.h"

namespace tincan::session {

/// How long a link does not ask again after a refusal: what was refused for want of room may be had
/// soon, what the server never gives is asked for once a minute. Chosen.
inline constexpr Nanoseconds ring_pause_first = std::chrono::milliseconds(100);
inline constexpr Nanoseconds ring_pause_longest = std::chrono::minutes(1);

[[nodiscard]] constexpr bool may_be_granted(std::uint64_t bytes, std::uint64_t wished_bytes) {
  return ring::is_capacity(bytes) && bytes <= wished_bytes;
}
inline constexpr char not_asked_for[] = "a ring of a size that was not asked for";

/// A link's ring, from the wish for one until it is gone.
struct ClientRing {
  enum class Stage : std::uint8_t {
    asked,    ///< The server has not answered.
    offered,  ///< It has our memory.
    in_use,   ///< We read from it, and write to it as soon as what goes before is written.
  };
  Stage stage = Stage::asked;
  std::uint64_t id = 0;
  std::uint64_t wished_bytes = 0;

  /// The wish for a larger one, which the server grants when this one is over.
  struct Larger {
    std::uint64_t id = 0;  ///< 0: there is none.
    std::uint64_t wished_bytes = 0;
    std::uint64_t granted_bytes = 0;
  };
  Larger larger;
  std::uint32_t fills = 0;         ///< See MovingChannel::ring_fills: when last looked at,
  std::uint32_t fills_before = 0;  ///< and when the counting began.
  Moment filling_since;
  Moment grow_again;  ///< Not before.
  Nanoseconds grow_pause{0};

  // Ours, until the server has accepted them.
  std::optional<transport::RingMemory> memory;
  std::optional<os::Doorbell> doorbell;
  Descriptor goes_with_the_move;  ///< See MovingChannel: any descriptor will do.

  /// At which the reader sleeps: the socket, the server's doorbell, and `kick`.
  std::optional<os::Poller> poller;
  std::optional<os::Bell> kick;         ///< For what the reader cannot see, see `kick_reader`.
  bool reader_knows = false;            ///< It sleeps for room too, or was kicked.
  std::uint32_t watched_for = EPOLLIN;  ///< At the socket.
};

}  // namespace tincan::session
