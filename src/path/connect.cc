#include "path/connect.h"

#include <cstdio>
#include <cstring>

#include "base/fail.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"
#include "os/user.h"
#include "path/inherited.h"
#include "path/peer.h"
#include "path/server_check.h"
#include "path/socket_name.h"

namespace tincan::path {

namespace {

/// Of what `path` leads to.
os::Sys<struct stat> status_of_path(const std::string& path) {
  const auto file = os::open_path_at(AT_FDCWD, path);
  if (!file) return std::unexpected(file.error());
  return os::status_of(file->get());
}

/// What the file says that kept us out: "mode 0660, uid 0 (root), group ops (1005)".
std::string rights_of(const std::string& path) {
  const auto status = status_of_path(path);
  if (!status) return "a directory on the way may not be searched";
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(status->st_mode & 07777));
  return "mode " + std::string(mode) + ", " + os::describe_user(status->st_uid) + ", " +
         os::describe_group(status->st_gid);
}

/// connect(2) says ECONNREFUSED for a dead socket and for what is no socket at all.
std::unexpected<Failure> nobody_listens(const std::string& path, int error) {
  const auto status = status_of_path(path);
  if (status && !S_ISSOCK(status->st_mode)) {
    return fail(
        Cause::path,
        path + " is " + std::string(os::kind_of(*status)) + ", not a socket; check the path",
        error);
  }
  return fail(Cause::no_server,
              path + " exists but nobody listens there (its server has died); start the server",
              error);
}

std::unexpected<Failure> no_abstract_server(const Address& address, int error) {
  if (error == ECONNREFUSED) {
    return fail(Cause::no_server, address.text() + ": nobody listens there; start the server",
                error);
  }
  return fail(os::is_shortage(error) ? Cause::exhausted : Cause::system, address.text(), error);
}

std::unexpected<Failure> cannot_connect(const Address& address, int error) {
  if (address.kind() == Address::Kind::abstract) return no_abstract_server(address, error);
  const std::string& path = address.name();
  switch (error) {
    case ENOENT:
      return fail(Cause::no_server, path + " does not exist; start the server, or check the path",
                  error);
    case ECONNREFUSED:
      return nobody_listens(path, error);
    case EACCES:
    case EPERM:
      return fail(Cause::refused,
                  os::describe_user(os::own_uid()) + " may not connect to " + path + " (" +
                      rights_of(path) + ")",
                  error);
    case EPROTOTYPE:
      return fail(Cause::path, path + " is a socket of another type, not a stream; check the path",
                  error);
    case ELOOP:
    case ENOTDIR:
    case ENAMETOOLONG:
      return fail(Cause::path, path + ": " + strerrordesc_np(error) + "; check the path", error);
    default:
      return fail(os::is_shortage(error) ? Cause::exhausted : Cause::system,
                  "cannot connect to " + path, error);
  }
}

/// The errno is of whichever call failed.
os::Sys<Descriptor> open_connection(const Address& address, Moment deadline) {
  const auto there = address.kind() == Address::Kind::abstract
                         ? Target{os::SocketAddress::of_abstract(address.name()), {}}
                         : target(address.name(), AT_FDCWD, address.name());
  if (!there) return std::unexpected(there.error());
  auto socket = os::stream_socket();
  if (!socket) return socket;
  const auto connected = os::connect(socket->get(), there->address, deadline);
  if (!connected) return std::unexpected(connected.error());
  return socket;
}

Result<Connection> take_connection(const Address& address) {
  auto taken = take_inherited(address);
  if (!taken) return std::unexpected(taken.error());
  if (taken->listening) {
    return fail(Cause::usage, address.text() + " is a listener; give it to a server", 0);
  }
  Peer peer = peer_of(taken->socket.get(), true);
  return Connection{std::move(taken->socket), std::move(peer)};
}

Cause cause_of_no_start(int error) {
  if (error == ENOENT || error == EACCES || error == ENOEXEC) return Cause::no_server;
  return os::is_shortage(error) ? Cause::exhausted : Cause::system;
}

Result<Connection> start_program(const Address& address) {
  auto ends = os::stream_socket_pair();
  if (!ends) return fail(Cause::exhausted, address.text(), ends.error().code);
  auto child = os::spawn(address.arguments(), ends->second);
  if (!child) {
    const int error = child.error().code;
    return fail(cause_of_no_start(error),
                "cannot start " + address.arguments().front() + ": " + strerrordesc_np(error),
                error);
  }
  return Connection{std::move(ends->first), peer_of_child(child->pid, std::move(child->process))};
}

Result<std::optional<Connection>> attempt(const Address& address, Moment deadline,
                                          std::optional<uid_t> server_uid) {
  switch (address.kind()) {
    case Address::Kind::descriptor:
    case Address::Kind::systemd:
      return take_connection(address);
    case Address::Kind::exec:
      return start_program(address);
    case Address::Kind::path:
    case Address::Kind::abstract:
      break;
  }
  auto socket = open_connection(address, deadline);
  if (!socket && socket.error().code == EAGAIN) return std::nullopt;
  if (!socket) return cannot_connect(address, socket.error().code);
  Peer peer = peer_of(socket->get(), false);
  if (auto checked = check_server(address, peer, server_uid); !checked) {
    return std::unexpected(checked.error());
  }
  return Connection{std::move(*socket), std::move(peer)};
}

}  // namespace

Result<Connection> connect(const Address& address, Moment deadline,
                           std::optional<uid_t> server_uid) {
  auto connected = attempt(address, deadline, server_uid);
  if (!connected) return std::unexpected(connected.error());
  if (*connected) return std::move(**connected);
  return fail(Cause::deadline,
              address.text() + ": the server accepts nobody at present (its backlog is full)",
              EAGAIN);
}

Result<std::optional<Connection>> try_connect(const Address& address,
                                              std::optional<uid_t> server_uid) {
  return attempt(address, Moment(), server_uid);
}

}  // namespace tincan::path
