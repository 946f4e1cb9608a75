#include "path/lock.h"

#include <cstring>
#include <optional>

#include "base/fail.h"
#include "os/file.h"
#include "os/user.h"
#include "path/occupant.h"

namespace tincan::path {

namespace {

// A record is a few hundred bytes and the path of a program.
constexpr std::size_t record_bytes_max = 8192;
// Each attempt fails only because somebody changed the lock file in the middle of it.
constexpr int lock_attempts_max = 16;

bool is_record(const std::string& text) { return text.empty() || text.starts_with("tincan lock "); }

}  // namespace

/// Takes the lock of one place. `std::nullopt` means that somebody changed the file meanwhile.
class LockTaker {
 public:
  using Attempt = Result<std::optional<Lock>>;

  explicit LockTaker(const Place& place)
      : place_(place),
        name_("." + place.name + ".lock"),
        text_(place.directory_text + "/" + name_) {}

  Attempt attempt() {
    auto file = os::open_at(directory(), name_, O_RDWR | O_NONBLOCK | O_NOCTTY);
    if (!file && file.error().code == ENOENT) {
      file = os::open_at(directory(), name_, O_RDWR | O_CREAT | O_EXCL, 0600);
      if (!file && file.error().code == EEXIST) return std::nullopt;
      if (!file && file.error().code == ENOENT) return nothing_can_be_made();
      if (file) narrow(*file);
    }
    if (!file) return cannot_open(file.error().code);
    return lock_opened(std::move(*file));
  }

  /// Locks an open file, wherever it comes from, once it proves to be the lock of the place.
  Attempt lock_opened(Descriptor opened) {
    os::CloseInChild file(std::move(opened));
    const auto status = os::status_of(file.get());
    if (!status) return system("looked at", status.error().code);
    if (!S_ISREG(status->st_mode) || status->st_nlink > 1) return in_the_way(*status);
    if (const auto locked = os::lock(file.get()); !locked) {
      return cannot_lock(file, *status, locked.error().code);
    }
    const auto text = os::read_start(file.get(), record_bytes_max);
    if (!text) return system("read", text.error().code);
    if (!is_record(*text)) return in_the_way(*status);
    const auto named = os::status_at(directory(), name_);
    if (!named || os::id_of(*named) != os::id_of(*status)) return std::nullopt;
    // Its owner can open it at any time, and lock it before we do.
    if (status->st_uid != os::own_uid()) return replace(*status);
    // What a crash in `replace` left. Failure shows when a lock has to be replaced again.
    [[maybe_unused]] const auto cleared = clear(name_ + ".new");
    return Lock(std::move(file), LockRecord::parse(*text));
  }

  std::unexpected<Failure> gave_up() const {
    return fail(Cause::held, place_.text + " is being claimed by others all the time");
  }

 private:
  int directory() const { return place_.directory.get(); }

  /// The umask may have taken our own permission away. Failure shows at the next start, which then
  /// replaces the file.
  static void narrow(const Descriptor& file) {
    [[maybe_unused]] const auto set = os::set_mode(file.get(), 0600);
  }

  std::unexpected<Failure> system(const char* what, int error) const {
    if (error == ENAMETOOLONG) {
      return fail(Cause::path,
                  place_.text + ": the file name has " + std::to_string(place_.name.size()) +
                      " bytes; at most 249 leave room for its lock file",
                  error);
    }
    return fail(os::is_shortage(error) ? Cause::exhausted : Cause::system,
                "the lock " + text_ + " cannot be " + what, error);
  }

  std::unexpected<Failure> in_the_way(const struct stat& status) const {
    std::string what(os::kind_of(status));
    if (S_ISREG(status.st_mode)) {
      what += status.st_nlink > 1 ? " with a second name" : " that tincan did not write";
    }
    return fail(Cause::path, place_.text + ": its lock file " + text_ + " is " + what +
                                 "; look at it and remove it");
  }

  std::unexpected<Failure> held(const LockRecord& record) const {
    return fail(Cause::held, place_.text + " is held by " + record.holder(), EWOULDBLOCK);
  }

  Attempt cannot_lock(const os::CloseInChild& file, const struct stat& status, int error) const {
    if (error != EWOULDBLOCK) return system("locked", error);
    LockRecord record;
    // What another user writes into a file of its own is no evidence.
    if (status.st_uid == os::own_uid()) {
      record = LockRecord::parse(os::read_start(file.get(), record_bytes_max).value_or(""));
    } else if (const auto pid = os::lock_holder(os::id_of(status))) {
      record = {.pid = *pid, .program = os::program_of(*pid)};
    }
    return held(record);
  }

  Attempt cannot_open(int error) {
    const auto status = os::status_at(directory(), name_);
    if (!status) {
      if (status.error().code != ENOENT) return system("opened", error);
      if (error == EACCES || error == EPERM) return may_not_create(error);
      return error == ENOENT ? Attempt(std::nullopt) : system("created", error);
    }
    if (!S_ISREG(status->st_mode)) return in_the_way(*status);
    if (error != EACCES) return system("opened", error);
    if (const auto pid = os::lock_holder(os::id_of(*status))) {
      return held({.pid = *pid, .program = os::program_of(*pid)});
    }
    return replace(*status);
  }

  /// A directory that was removed, or one of a file system such as /proc.
  std::unexpected<Failure> nothing_can_be_made() const {
    return fail(Cause::path,
                place_.text + ": no file can be made in the directory " + place_.directory_text +
                    "; use another directory",
                ENOENT);
  }

  std::unexpected<Failure> may_not_create(int error) const {
    return fail(Cause::refused,
                place_.text + ": " + os::describe_user(os::own_uid()) +
                    " may not create files in the directory " + place_.directory_text,
                error);
  }

  /// Puts a lock of our own, locked already, in the place of `old`.
  Attempt replace(const struct stat& old) {
    // Without its lock, the owner of a socket that we may not replace could not start again.
    const auto standing = examine(place_, place_.name, {});
    const auto ours = standing ? may_replace(place_, *standing) : std::unexpected(standing.error());
    if (!ours) return std::unexpected(ours.error());
    const std::string fresh = name_ + ".new";
    if (const auto cleared = clear(fresh); !cleared) return std::unexpected(cleared.error());
    auto opened = os::open_at(directory(), fresh, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (!opened && opened.error().code == EEXIST) return std::nullopt;
    if (!opened) return cannot_replace(old, opened.error().code);
    narrow(*opened);
    os::CloseInChild file(std::move(*opened));
    if (const auto locked = os::lock(file.get()); !locked) return std::nullopt;
    if (const auto put = os::rename_at(directory(), fresh, name_, RENAME_EXCHANGE); !put) {
      [[maybe_unused]] const auto removed = os::unlink_at(directory(), fresh);
      if (put.error().code == ENOENT) return std::nullopt;
      return cannot_replace(old, put.error().code);
    }
    const auto came = os::status_at(directory(), fresh);
    const bool same = came && os::id_of(*came) == os::id_of(old) && S_ISREG(came->st_mode) &&
                      came->st_uid == old.st_uid;
    if (!same) {
      [[maybe_unused]] const auto back = os::rename_at(directory(), fresh, name_, RENAME_EXCHANGE);
      return std::nullopt;
    }
    [[maybe_unused]] const auto removed = os::unlink_at(directory(), fresh);
    return Lock(std::move(file), LockRecord());
  }

  /// Removes the file that `replace` makes, or has exchanged, if a crash left it.
  Result<void> clear(const std::string& fresh) const {
    const auto file = os::open_at(directory(), fresh, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file && file.error().code == ENOENT) return {};
    const auto status = file ? os::status_of(file->get()) : os::status_at(directory(), fresh);
    const auto text = file ? os::read_start(file->get(), record_bytes_max) : std::string("?");
    if (status && S_ISREG(status->st_mode) && status->st_nlink == 1 && text && is_record(*text) &&
        os::unlink_at(directory(), fresh)) {
      return {};
    }
    return fail(Cause::path,
                place_.directory_text + "/" + fresh + " is in the way; look at it and remove it");
  }

  std::unexpected<Failure> cannot_replace(const struct stat& old, int error) const {
    return fail(Cause::path,
                place_.text + ": its lock file belongs to " + os::describe_user(old.st_uid) +
                    "; remove it: rm " + text_,
                error);
  }

  const Place& place_;
  std::string name_;
  std::string text_;
};

Result<Lock> Lock::take(const Place& place) {
  LockTaker taker(place);
  for (int i = 0; i < lock_attempts_max; ++i) {
    auto attempt = taker.attempt();
    if (!attempt) return std::unexpected(attempt.error());
    if (*attempt) return std::move(**attempt);
  }
  return taker.gave_up();
}

Result<Lock> Lock::adopt(const Place& place, Descriptor handed) {
  auto attempt = LockTaker(place).lock_opened(std::move(handed));
  if (!attempt) return std::unexpected(attempt.error());
  if (*attempt) return std::move(**attempt);
  return fail(Cause::held, "what was handed over is not the lock of " + place.text);
}

Result<void> Lock::record(const Place& place, std::vector<os::FileId> sockets) {
  const pid_t pid = os::own_pid();
  const LockRecord now{pid, os::program_of(pid), std::move(sockets)};
  if (const auto written = os::write_whole(file_.get(), now.text()); !written) {
    const int error = written.error().code;
    return fail(os::is_shortage(error) ? Cause::exhausted : Cause::system,
                "the lock of " + place.text + " cannot be written", error);
  }
  previous_ = now;
  return {};
}

LockRecord Lock::read() const {
  return LockRecord::parse(os::read_start(file_.get(), record_bytes_max).value_or(""));
}

bool Lock::names_us() const { return read().pid == os::own_pid(); }

std::string Lock::holder() const { return read().holder(); }

bool Lock::in_place(const Place& place) const {
  const auto mine = os::status_of(file_.get());
  const auto named = os::status_at(place.directory.get(), "." + place.name + ".lock");
  return mine && named && os::id_of(*mine) == os::id_of(*named);
}

}  // namespace tincan::path
