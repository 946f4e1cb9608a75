#include "path/occupant.h"

#include <algorithm>

#include "os/process.h"
#include "os/socket.h"
#include "os/socket_diag.h"
#include "os/user.h"
#include "path/socket_name.h"

namespace tincan::path {

namespace {

std::unexpected<Failure> system(const Place& place, const char* what, int error) {
  return std::unexpected(Failure(os::is_shortage(error) ? Cause::exhausted : Cause::system,
                                 place.text + " cannot be " + what, error));
}

/// Who listens at the other end of `socket`: "pid 4312 (/usr/bin/appd)".
std::string listener_of(int socket) {
  const auto credentials = os::peer_credentials(socket);
  if (!credentials || credentials->pid <= 0) return "another process";
  const std::string program = os::program_of(credentials->pid);
  return "pid " + std::to_string(credentials->pid) + (program.empty() ? "" : " (" + program + ")");
}

/// Decides about a socket on which nobody listens.
Occupant::State state_of_silent(const struct stat& status,
                                const std::vector<os::FileId>& recorded) {
  if (status.st_uid != os::own_uid()) return Occupant::State::foreign;
  const os::FileId id = os::id_of(status);
  const auto bound = os::is_bound(id);
  if (bound) return *bound ? Occupant::State::live : Occupant::State::dead;
  return std::ranges::count(recorded, id) > 0 ? Occupant::State::dead : Occupant::State::foreign;
}

Occupant silent(const struct stat& status, const std::vector<os::FileId>& recorded) {
  Occupant occupant{state_of_silent(status, recorded), os::id_of(status), {}};
  if (occupant.state == Occupant::State::live) {
    occupant.description = "a process that does not listen yet";
  } else if (occupant.state == Occupant::State::foreign) {
    occupant.description = status.st_uid == os::own_uid()
                               ? "a socket that tincan did not make"
                               : "a socket of " + os::describe_user(status.st_uid);
  }
  return occupant;
}

}  // namespace

Result<Occupant> examine(const Place& place, const std::string& name,
                         const std::vector<os::FileId>& recorded) {
  const auto status = os::status_at(place.directory.get(), name);
  if (!status && status.error().code == ENOENT) return Occupant();
  if (!status) return system(place, "looked at", status.error().code);
  if (!S_ISSOCK(status->st_mode)) {
    return Occupant{Occupant::State::foreign, os::id_of(*status),
                    std::string(os::kind_of(*status))};
  }
  const auto there = target(place.directory_text + "/" + name, place.directory.get(), name);
  if (!there && there.error().code == ENOENT) return Occupant();
  if (!there) return system(place, "probed", there.error().code);
  const auto probe = os::stream_socket();
  if (!probe) return system(place, "probed", probe.error().code);
  const auto connected = os::connect(probe->get(), there->address, Moment());
  const os::FileId id = os::id_of(*status);
  if (connected) return Occupant{Occupant::State::live, id, listener_of(probe->get())};
  switch (connected.error().code) {
    case EAGAIN:  // its backlog is full
      return Occupant{Occupant::State::live, id, "another process"};
    case ENOENT:
      return Occupant();
    case EPROTOTYPE:
      return Occupant{Occupant::State::foreign, id, "a socket in use that is no stream"};
    case ECONNREFUSED:
    case EACCES:  // without its write bit we do not learn more
      return silent(*status, recorded);
    default:
      return system(place, "probed", connected.error().code);
  }
}

Result<void> may_replace(const Place& place, const Occupant& occupant) {
  switch (occupant.state) {
    case Occupant::State::none:
    case Occupant::State::dead:
      return {};
    case Occupant::State::live:
      return std::unexpected(
          Failure(Cause::held, place.text + " is held by " + occupant.description));
    case Occupant::State::foreign:
      break;
  }
  return std::unexpected(
      Failure(Cause::path, place.text + " is " + occupant.description +
                               ", which is not ours to remove; look at it, or use another path"));
}

}  // namespace tincan::path
