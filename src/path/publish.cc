#include <cstring>

#include "base/fail.h"
#include "os/file.h"
#include "os/socket.h"
#include "os/socket_diag.h"
#include "os/user.h"
#include "path/occupant.h"
#include "path/path_socket.h"
#include "path/socket_name.h"

// How a path changes hands. The order is what makes it safe:
// docs/decisions/0009-claim-of-a-path.md.

namespace tincan::path {

namespace {

// Each attempt fails only because somebody changed the directory in the middle of it.
constexpr int publish_attempts_max = 16;

}  // namespace

/// The name of a socket that is not published yet; removed again unless the socket was.
class Temporary {
 public:
  explicit Temporary(const Place& place) : place_(place), name_(temporary_name(place)) {}
  Temporary(const Temporary&) = delete;
  ~Temporary() {
    if (!file_) return;
    const auto status = os::status_at(place_.directory.get(), name_);
    if (status && S_ISSOCK(status->st_mode) && os::id_of(*status) == *file_) {
      [[maybe_unused]] const auto removed = os::unlink_at(place_.directory.get(), name_);
    }
  }
  void stands_for(const os::FileId& file) { file_ = file; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  const Place& place_;
  std::string name_;
  std::optional<os::FileId> file_;
};

/// One attempt to publish a socket. `std::nullopt` means that something in the directory changed
/// meanwhile and everything has to be looked at again.
class Publisher {
 public:
  using Attempt = Result<std::optional<PathSocket>>;

  Publisher(Place& place, const Rights& rights)
      : place_(place), rights_(rights), temporary_(place) {}

  Attempt attempt() {
    auto lock = Lock::take(place_);
    if (!lock) return std::unexpected(lock.error());
    const auto cleared = clear_temporary(*lock);
    if (!cleared) return std::unexpected(cleared.error());
    if (!*cleared) return std::nullopt;
    const auto old = examine(place_, place_.name, lock->previous().sockets);
    if (!old) return std::unexpected(old.error());
    if (const auto allowed = may_replace(place_, *old); !allowed) {
      return std::unexpected(allowed.error());
    }
    return publish(std::move(*lock), *old);
  }

 private:
  int directory() const { return place_.directory.get(); }

  std::unexpected<Failure> system(const std::string& what, int error) const {
    switch (error) {
      case EACCES:
      case EPERM:
        return fail(Cause::refused,
                    place_.text + ": " + os::describe_user(os::own_uid()) +
                        " may not create files in the directory " + place_.directory_text,
                    error);
      case EINVAL:
      case ENOSYS:
        return fail(Cause::unsupported,
                    place_.text + ": this file system cannot exchange names (renameat2)", error);
      case EROFS:
      case ENAMETOOLONG:
        return fail(Cause::path, place_.text + " cannot be " + what + ": " + strerrordesc_np(error),
                    error);
      default:
        return fail(os::is_shortage(error) ? Cause::exhausted : Cause::system,
                    place_.text + " cannot be " + what, error);
    }
  }

  /// Makes the temporary name free. False: look again.
  Result<bool> clear_temporary(const Lock& lock) {
    const auto left = examine(place_, temporary_.name(), lock.previous().sockets);
    if (!left) return std::unexpected(left.error());
    if (left->state == Occupant::State::none) return true;
    if (left->state == Occupant::State::dead) {
      [[maybe_unused]] const auto removed = os::unlink_at(directory(), temporary_.name());
      return true;
    }
    if (crashed_while_exchanging(lock)) {
      [[maybe_unused]] const auto back =
          os::rename_at(directory(), temporary_.name(), place_.name, RENAME_EXCHANGE);
      return false;
    }
    if (left->state == Occupant::State::live) {
      return fail(Cause::held, place_.text + " is being claimed by " + left->description);
    }
    return fail(Cause::path, place_.text + ": " + place_.directory_text + "/" + temporary_.name() +
                                 " is in the way; look at it and remove it");
  }

  /// True when the socket that was to be published stands at the path, dead, and so what stands at
  /// the temporary name was at the path before.
  bool crashed_while_exchanging(const Lock& lock) const {
    const auto& recorded = lock.previous().sockets;
    const auto standing = examine(place_, place_.name, recorded);
    return standing && standing->state == Occupant::State::dead && !recorded.empty() &&
           standing->id == recorded.front();
  }

  Attempt publish(Lock lock, const Occupant& old) {
    auto listener = bind();
    if (!listener) return std::unexpected(listener.error());
    if (!*listener) return std::nullopt;
    const auto file = prepare();
    if (!file) return std::unexpected(file.error());
    std::vector<os::FileId> sockets = {*file};
    if (old.state == Occupant::State::dead) sockets.push_back(old.id);
    if (auto recorded = lock.record(place_, std::move(sockets)); !recorded) {
      return std::unexpected(recorded.error());
    }
    if (const auto listening = os::listen((*listener)->get(), rights_.backlog); !listening) {
      return system("listened on", listening.error().code);
    }
    const auto put = old.state == Occupant::State::dead ? exchange(old) : put_in_place();
    if (!put) return std::unexpected(put.error());
    if (!*put) return std::nullopt;
    // Whoever has another lock, because this one was removed, looks at the path after taking it;
    // we look at the lock after taking the path. So at least one of us sees the other.
    if (!lock.in_place(place_) || !stands(*file)) {
      take_down(place_, *file);
      return std::nullopt;
    }
    return PathSocket(std::move(place_), std::move(lock), std::move(**listener), *file,
                      rights_.backlog);
  }

  /// A socket under the temporary name, closed to everybody and not listening.
  Result<std::optional<os::CloseInChild>> bind() {
    auto made = os::stream_socket();
    if (!made) return system("made", made.error().code);
    os::CloseInChild socket(std::move(*made));
    auto ready = os::set_mode(socket.get(), 0600);
    if (ready) ready = os::set_blocking(socket.get(), false);
    if (!ready) return system("made", ready.error().code);
    auto bound = os::bind(socket.get(), temporary_address(place_));
    if (!bound && bound.error().code == ENOENT) {
      if (const auto text = temporary_address_by_text(place_)) {
        bound = os::bind(socket.get(), *text);
      }
    }
    if (!bound) {
      if (bound.error().code == EADDRINUSE) return std::nullopt;
      return system("created", bound.error().code);
    }
    return std::optional(std::move(socket));
  }

  /// Gives the bound socket its rights and says which file it is.
  Result<os::FileId> prepare() {
    const auto status = os::status_at(directory(), temporary_.name());
    if (!status) return system("found after it was created", status.error().code);
    const os::FileId id = os::id_of(*status);
    if (!S_ISSOCK(status->st_mode) || status->st_uid != os::own_uid()) return exchanged();
    temporary_.stands_for(id);
    const auto file = os::open_at(directory(), temporary_.name(), O_PATH);
    if (!file) return system("opened", file.error().code);
    const auto opened = os::status_of(file->get());
    if (!opened) return system("looked at", opened.error().code);
    if (os::id_of(*opened) != id) return exchanged();
    if (const auto applied = apply(rights_, place_, *file); !applied) {
      return std::unexpected(applied.error());
    }
    return id;
  }

  std::unexpected<Failure> exchanged() const {
    return fail(Cause::path, place_.text + ": somebody exchanged the new socket in the directory " +
                                 place_.directory_text);
  }

  Result<bool> put_in_place() {
    const auto put = os::rename_at(directory(), temporary_.name(), place_.name, RENAME_NOREPLACE);
    if (put) return true;
    if (put.error().code == EEXIST || put.error().code == ENOENT) return false;
    return system("published", put.error().code);
  }

  /// Exchanges the new socket with the dead one, and back again if what came is something else.
  Result<bool> exchange(const Occupant& old) {
    const auto put = os::rename_at(directory(), temporary_.name(), place_.name, RENAME_EXCHANGE);
    if (!put && put.error().code == ENOENT) return false;
    if (!put) return system("published", put.error().code);
    // Looked at in full: the number of a removed socket's inode is soon another file's.
    const auto came = examine(place_, temporary_.name(), {old.id});
    if (came && came->state == Occupant::State::dead && came->id == old.id) {
      [[maybe_unused]] const auto removed = os::unlink_at(directory(), temporary_.name());
      return true;
    }
    [[maybe_unused]] const auto back =
        os::rename_at(directory(), temporary_.name(), place_.name, RENAME_EXCHANGE);
    return false;
  }

  bool stands(const os::FileId& file) const {
    const auto status = os::status_at(directory(), place_.name);
    return status && os::id_of(*status) == file;
  }

  Place& place_;
  const Rights& rights_;
  Temporary temporary_;
};

Result<PathSocket> PathSocket::claim(const std::string& path, const Rights& rights) {
  for (int i = 0; i < publish_attempts_max; ++i) {
    auto place = Place::open(path);
    if (!place) return std::unexpected(place.error());
    if (auto trusted = check_directory(*place); !trusted) return std::unexpected(trusted.error());
    auto attempt = Publisher(*place, rights).attempt();
    if (!attempt) return std::unexpected(attempt.error());
    if (*attempt) return std::move(**attempt);
  }
  return fail(Cause::held, path + " is being claimed by others all the time");
}

}  // namespace tincan::path
