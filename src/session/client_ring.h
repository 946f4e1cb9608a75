#pragma once

#include <cstdint>
#include <optional>

#include "os/doorbell.h"
#include "os/poller.h"
#include "transport/ring_memory.h"

namespace tincan::session {

/// A link's ring, from the wish for one until it is gone.
struct ClientRing {
  enum class Stage : std::uint8_t {
    asked,    ///< The server has not answered.
    offered,  ///< It has our memory.
    in_use,   ///< We read from it, and write to it as soon as what goes before is written.
  };
  Stage stage = Stage::asked;
  std::uint64_t id = 0;

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
