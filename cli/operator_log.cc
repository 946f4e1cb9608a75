#include "operator_log.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <string>

#include "text.h"

namespace cli {

namespace {

/// True when a write of PIPE_BUF bytes does not block: pipe(7). Also when it would fail at once.
bool has_room() {
  pollfd writable{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&writable, 1, 0) == 1;
}

/// False when not all of it found room.
bool put(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!has_room()) return false;
    const ssize_t count = ::write(STDERR_FILENO, bytes.data(), bytes.substr(0, PIPE_BUF).size());
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

void log_bytes(std::string_view bytes) {
  static std::uint64_t lost = 0;
  if (bytes.empty()) return;
  if (lost > 0) {
    const std::string messages = counted(lost, "message", "messages");
    if (put(fmt::format("tincan: {} lost, for nobody read them\n", messages))) lost = 0;
  }
  if (lost > 0 || !put(bytes)) ++lost;
}

void log_line(std::string_view line) { log_bytes(fmt::format("tincan: {}\n", escaped_line(line))); }

}  // namespace cli
