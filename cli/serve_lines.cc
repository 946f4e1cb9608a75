#include "serve_lines.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "json.h"
#include "output.h"
#include "text.h"

namespace cli {

namespace {

/// The descriptor of `fd:`, `systemd:` and `systemd:name`, as sd_listen_fds(3) numbers them; -1
/// where nothing is inherited.
int inherited_number(const tincan::Address& address) {
  if (address.kind() == tincan::Address::Kind::descriptor) return address.descriptor();
  if (address.kind() != tincan::Address::Kind::systemd) return -1;
  constexpr int first = 3;  // SD_LISTEN_FDS_START
  if (address.name().empty()) return first;
  const char* const variable = ::getenv("LISTEN_FDNAMES");
  std::string_view names = variable != nullptr ? variable : "";
  for (int number = first; !names.empty(); ++number) {
    const std::size_t end = std::min(names.find(':'), names.size());
    if (names.substr(0, end) == address.name()) return number;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return -1;
}

bool is_connection(int socket) {
  int listens = 0;
  socklen_t size = sizeof listens;
  return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 0;
}

/// Where an inherited listener is bound; nothing for an abstract name.
std::optional<std::string> path_of(int socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
  if (address.sun_family != AF_UNIX || size <= offsetof(sockaddr_un, sun_path)) return std::nullopt;
  const std::string_view bytes(address.sun_path, size - offsetof(sockaddr_un, sun_path));
  if (bytes.front() == '\0') return std::nullopt;
  return std::string(bytes.substr(0, bytes.find('\0')));
}

/// Who owns the socket file, and its mode.
struct FileFacts {
  std::string mode;
  std::string user;
  std::string group;
};

std::optional<FileFacts> file_facts(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  const passwd* const user = ::getpwuid(status.st_uid);
  const ::group* const group = ::getgrgid(status.st_gid);
  return FileFacts{fmt::format("{:04o}", status.st_mode & 07777),
                   user != nullptr ? user->pw_name : std::to_string(status.st_uid),
                   group != nullptr ? group->gr_name : std::to_string(status.st_gid)};
}

/// What a good day does not have: said only when there was some.
std::string oddities(const tincan::Server::Counts& counts, std::size_t unfinished) {
  std::string text;
  if (counts.declined > 0) text += fmt::format(", {} declined", counts.declined);
  if (counts.expired > 0) text += fmt::format(", {} expired", counts.expired);
  if (counts.undeliverable > 0) text += fmt::format(", {} undeliverable", counts.undeliverable);
  if (unfinished > 0) text += fmt::format(", {} unfinished", unfinished);
  if (counts.breaches > 0) text += ", " + counted(counts.breaches, "breach", "breaches");
  return text;
}

}  // namespace

ServeLines::ServeLines(const tincan::Address& address, bool json)
    : address_(address.text()), json_(json) {
  if (address.kind() == tincan::Address::Kind::path) path_ = address.name();
  const int number = inherited_number(address);
  if (number < 0) return;
  silent_ = is_connection(number);
  path_ = path_of(number);
}

ExitCode ServeLines::print_ready() const {
  if (silent_) return ExitCode::success;
  const auto file = path_ ? file_facts(*path_) : std::nullopt;
  if (json_) {
    Json json{{"event", "ready"}, {"address", address_}, {"pid", ::getpid()}};
    if (path_) json["path"] = *path_;
    if (file) json.update({{"mode", file->mode}, {"user", file->user}, {"group", file->group}});
    return print(line_of(json));
  }
  std::string line = "serving " + address_;
  if (path_ && !address_.ends_with(*path_)) line += " at " + *path_;
  if (file) line += fmt::format(", mode {}, owner {}:{}", file->mode, file->user, file->group);
  return print_line(fmt::format("{}, pid {}", line, ::getpid()));
}

ExitCode ServeLines::print_drained(const tincan::Server::Counts& counts,
                                   std::size_t unfinished) const {
  if (silent_) return ExitCode::success;
  if (json_) {
    return print(line_of({{"event", "drained"},
                          {"address", address_},
                          {"connections", counts.accepted},
                          {"calls", counts.calls},
                          {"replies", counts.replies},
                          {"errors", counts.errors},
                          {"declined", counts.declined},
                          {"cancelled", counts.cancelled},
                          {"expired", counts.expired},
                          {"undeliverable", counts.undeliverable},
                          {"unfinished", unfinished},
                          {"refused", counts.refused},
                          {"breaches", counts.breaches}}));
  }
  return print_line(fmt::format(
      "drained {}: {}, {}, {}, {}, {} cancelled, {} refused{}", address_,
      counted(counts.accepted, "connection", "connections"), counted(counts.calls, "call", "calls"),
      counted(counts.replies, "reply", "replies"), counted(counts.errors, "error", "errors"),
      counts.cancelled, counts.refused, oddities(counts, unfinished)));
}

}  // namespace cli
