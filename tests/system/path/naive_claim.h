#pragma once

#include "os/clock.h"
#include "os/file.h"
#include "os/socket.h"

#include <fcntl.h>

namespace tincan::test {

/// How a path is claimed all over the world: ask whether somebody is there, remove the file, bind.
/// It makes its calls through src/os, so that a seam delays them as it delays tincan's.
inline os::Sys<Descriptor> naive_claim(const std::string& path) {
  const auto address = os::SocketAddress::of_path(path);
  const auto probe = os::stream_socket();
  if (!probe) return std::unexpected(probe.error());
  if (os::connect(probe->get(), address, Moment())) return os::failed(EADDRINUSE);
  [[maybe_unused]] const auto removed = os::unlink_at(AT_FDCWD, path);
  auto socket = os::stream_socket();
  if (!socket) return socket;
  if (const auto bound = os::bind(socket->get(), address); !bound) {
    return std::unexpected(bound.error());
  }
  if (const auto listening = os::listen(socket->get(), 8); !listening) {
    return std::unexpected(listening.error());
  }
  return socket;
}

}  // namespace tincan::test
