#include "path/path_socket.h"

#include <algorithm>

#include "os/file.h"
#include "os/socket.h"
#include "os/socket_diag.h"
#include "path/socket_name.h"

namespace tincan::path {

namespace {

std::unexpected<Failure> not_it(const Place& place, const char* what, int error = 0) {
  return std::unexpected(Failure(
      Cause::held, "what was handed over is not the " + std::string(what) + place.text, error));
}

/// True when `listener` is bound to the file `id`; where the kernel cannot be asked, when the lock
/// says that tincan made that file.
bool is_listener_of(const Descriptor& listener, const os::FileId& id, const LockRecord& record) {
  const auto unix_stream = os::is_unix_stream(listener.get());
  const auto listening = os::is_listening(listener.get());
  if (!unix_stream || !*unix_stream || !listening || !*listening) return false;
  const auto bound = os::is_bound_to(listener.get(), id);
  return bound ? *bound : std::ranges::count(record.sockets, id) > 0;
}

}  // namespace

// `file` cannot be another file meanwhile: the listener, still open, keeps its inode.
void take_down(const Place& place, const os::FileId& file) {
  const int directory = place.directory.get();
  const std::string aside = temporary_name(place);
  const auto is_at = [&](const std::string& name) {
    const auto status = os::status_at(directory, name);
    return status && os::id_of(*status) == file;
  };
  if (!is_at(place.name)) return;
  // Without permission, or with something at the temporary name, the dead socket stays for the next
  // start, which knows it.
  if (!os::rename_at(directory, place.name, aside, RENAME_NOREPLACE)) return;
  if (is_at(aside)) {
    [[maybe_unused]] const auto removed = os::unlink_at(directory, aside);
  } else {
    [[maybe_unused]] const auto back =
        os::rename_at(directory, aside, place.name, RENAME_NOREPLACE);
  }
}

Result<PathSocket> PathSocket::adopt(const std::string& path, const Rights& rights,
                                     Descriptor listener, Descriptor lock) {
  auto place = Place::open(path);
  if (!place) return std::unexpected(place.error());
  if (auto trusted = check_directory(*place); !trusted) return std::unexpected(trusted.error());
  auto taken = Lock::adopt(*place, std::move(lock));
  if (!taken) return std::unexpected(taken.error());

  const auto file = os::open_at(place->directory.get(), place->name, O_PATH);
  if (!file) return not_it(*place, "socket at ", file.error().code);
  const auto status = os::status_of(file->get());
  if (!status) return not_it(*place, "socket at ", status.error().code);
  const os::FileId id = os::id_of(*status);
  if (!is_listener_of(listener, id, taken->previous())) return not_it(*place, "socket at ");

  if (auto applied = apply(rights, *place, *file); !applied) {
    return std::unexpected(applied.error());
  }
  const FileRights before{status->st_mode & 07777, status->st_gid};
  if (auto recorded = taken->record(*place, {id}); !recorded) {
    [[maybe_unused]] const auto restored = restore(before, *file);
    return std::unexpected(recorded.error());
  }
  // Besides the backlog this renews what clients see as the server's credentials, unix(7).
  if (const auto listening = os::listen(listener.get(), rights.backlog); !listening) {
    [[maybe_unused]] const auto restored = restore(before, *file);
    return not_it(*place, "socket at ", listening.error().code);
  }
  return PathSocket(std::move(*place), std::move(*taken), os::CloseInChild(std::move(listener)), id,
                    rights.backlog);
}

os::Sys<Descriptor> PathSocket::open_file() const {
  auto file = os::open_at(place_.directory.get(), place_.name, O_PATH);
  if (!file) return file;
  const auto status = os::status_of(file->get());
  if (!status) return std::unexpected(status.error());
  if (os::id_of(*status) != file_) return os::failed(ENOENT);
  return file;
}

os::Sys<FileRights> PathSocket::rights() const {
  const auto file = open_file();
  if (!file) return std::unexpected(file.error());
  const auto status = os::status_of(file->get());
  if (!status) return std::unexpected(status.error());
  return FileRights{status->st_mode & 07777, status->st_gid};
}

os::Sys<void> PathSocket::take_back(const FileRights& before) {
  const auto file = open_file();
  auto done = file ? restore(before, *file) : std::unexpected(file.error());
  if (const auto recorded = lock_.record(place_, lock_.previous().sockets); done && !recorded) {
    done = os::failed(recorded.error().system_error());
  }
  if (const auto listening = os::listen(listener_.get(), backlog_); done && !listening) {
    done = listening;
  }
  return done;
}

void PathSocket::withdraw() {
  take_down(place_, file_);
  lock_.close();
}

void PathSocket::abandon() {
  lock_.close();
  listener_.reset();
}

}  // namespace tincan::path
