#pragma once

#include "ways/way.h"

namespace bench {

enum class SocketKind : std::uint8_t {
  unix_stream,
  unix_packets,
  unix_datagrams,
  tcp4,
  tcp6,
  udp4,
  udp6,
};

/// Sockets that block, each with one system call a message and way. Servers of several clients wait
/// in epoll_wait(2).
[[nodiscard]] std::unique_ptr<Way> make_socket_way(SocketKind kind);
/// A stream whose sender copies messages into one buffer, and writes that.
[[nodiscard]] std::unique_ptr<Way> make_batched_socket_way();
/// A stream whose sides look for up to 50 µs before they sleep, unless both are on one CPU.
[[nodiscard]] std::unique_ptr<Way> make_looking_socket_way();

/// The most that a message can have that is not cut into pieces: net.core.wmem_max.
[[nodiscard]] std::size_t packet_bytes_max();

}  // namespace bench
