#include "path/inherited.h"

#include <charconv>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"

namespace tincan::path {

namespace {

// SD_LISTEN_FDS_START, sd_listen_fds(3).
constexpr int first_passed = 3;

std::unexpected<Failure> usage(const Address& address, const std::string& detail, int error = 0) {
  return std::unexpected(Failure(Cause::usage, address.text() + ": " + detail, error));
}

long number_in(const char* variable) {
  const std::string text = os::environment(variable);
  long number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : -1;
}

/// The descriptor that systemd passed under `name`; the first one for an empty name. -1: none.
int passed_number(long count, const std::string& name) {
  if (name.empty()) return first_passed;
  const std::string text = os::environment("LISTEN_FDNAMES");
  std::string_view names = text;
  for (int i = 0; i < count; ++i) {
    const std::size_t end = names.find(':');
    if (names.substr(0, end) == name) return first_passed + i;
    if (end == std::string_view::npos) break;
    names.remove_prefix(end + 1);
  }
  return -1;
}

/// False when `number` was taken from systemd before, in this process.
bool first_time(int number) {
  static std::mutex mutex;
  static std::set<int> taken;
  const std::lock_guard lock(mutex);
  return taken.insert(number).second;
}

Result<int> systemd_number(const Address& address) {
  const long count = number_in("LISTEN_FDS");
  if (count <= 0 || number_in("LISTEN_PID") != os::own_pid()) {
    return usage(address,
                 "no socket was passed to this process; start it from a systemd socket "
                 "unit (or try systemd-socket-activate)");
  }
  const int number = passed_number(count, address.name());
  if (number < 0) {
    return usage(address,
                 "no socket of that name was passed; names: " + os::environment("LISTEN_FDNAMES"));
  }
  return number;
}

}  // namespace

Result<Inherited> take_inherited(const Address& address) {
  const bool systemd = address.kind() == Address::Kind::systemd;
  const auto number = systemd ? systemd_number(address) : Result<int>(address.descriptor());
  if (!number) return std::unexpected(number.error());

  const auto stream = os::is_unix_stream(*number);
  if (!stream && stream.error().code == EBADF) {
    return usage(address, "descriptor " + std::to_string(*number) + " is not open", EBADF);
  }
  if (!stream || !*stream) {
    return usage(address, "descriptor " + std::to_string(*number) + " is no Unix stream socket");
  }
  const auto listening = os::is_listening(*number);
  if (!listening) return usage(address, "cannot be asked", listening.error().code);
  if (const auto set = os::set_close_on_exec(*number); !set) {
    return usage(address, "cannot be used", set.error().code);
  }
  // Last, so that an attempt which failed has not used it up.
  if (systemd && !first_time(*number)) return usage(address, "that socket was taken before");
  return Inherited{Descriptor(*number), *listening};
}

}  // namespace tincan::path
