#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace bench {

/// For bind(2) and connect(2). Throws when `path` is longer than an address may be.
[[nodiscard]] inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + " is too long");
  std::ranges::copy(path, address.sun_path);
  return address;
}

}  // namespace bench
