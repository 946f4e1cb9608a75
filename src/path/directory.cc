#include "path/directory.h"

#include <cstring>
#include <deque>

#include "os/file.h"
#include "os/user.h"

namespace tincan::path {

namespace {

std::unexpected<Failure> cannot_open(const Place& place, int error) {
  const std::string object = place.text + ": the directory " + place.directory_text + " ";
  switch (error) {
    case ENOENT:
      return std::unexpected(
          Failure(Cause::path,
                  object + "does not exist; create it: mkdir -p " + place.directory_text, error));
    case EACCES:
      return std::unexpected(
          Failure(Cause::refused,
                  object + "may not be searched by " + os::describe_user(os::own_uid()), error));
    default:
      return std::unexpected(Failure(os::is_shortage(error) ? Cause::exhausted : Cause::path,
                                     object + "cannot be opened: " + strerrordesc_np(error),
                                     error));
  }
}

/// True when somebody who is neither root nor `owner` has write permission.
bool others_can_write(const struct stat& status, uid_t owner) {
  if ((status.st_mode & S_IWOTH) != 0) return true;
  return (status.st_mode & S_IWGRP) != 0 && !os::is_private_group(owner, status.st_gid);
}

}  // namespace

Result<Place> Place::open(const std::string& path) {
  Place place;
  const std::size_t slash = path.rfind('/');
  place.text = path;
  place.name = slash == std::string::npos ? path : path.substr(slash + 1);
  place.directory_text = slash == std::string::npos ? "." : path.substr(0, slash);
  if (place.directory_text.empty()) place.directory_text = "/";
  if (place.name.empty() || place.name == "." || place.name == "..") {
    return std::unexpected(Failure(Cause::usage, path + " names a directory, not a socket"));
  }
  auto directory = os::open_directory(place.directory_text);
  if (!directory) return cannot_open(place, directory.error().code);
  place.directory = std::move(*directory);
  return place;
}

Result<void> check_directory(const Place& place) {
  const auto status = os::status_of(place.directory.get());
  if (!status) return cannot_open(place, status.error().code);
  const uid_t self = os::own_uid();
  const std::string& directory = place.directory_text;
  if (status->st_uid != self && status->st_uid != 0) {
    return std::unexpected(
        Failure(Cause::path, place.text + ": the directory " + directory + " belongs to " +
                                 os::describe_user(status->st_uid) +
                                 ", who could replace the socket; use another directory, or: "
                                 "chown " +
                                 std::to_string(self) + " " + directory));
  }
  if ((status->st_mode & S_ISVTX) != 0 || !others_can_write(*status, self)) return {};
  const bool everybody = (status->st_mode & S_IWOTH) != 0;
  return std::unexpected(
      Failure(Cause::path, place.text + ": " +
                               (everybody ? "everybody" : os::describe_group(status->st_gid)) +
                               " can write in the directory " + directory +
                               " and so replace the socket; mend it: chmod " +
                               (everybody ? "go-w " : "g-w ") + directory));
}

namespace {

/// Follows a path one component at a time and looks at each directory before it looks into it.
class Walk {
 public:
  explicit Walk(uid_t owner) : owner_(owner) {}

  /// True when every directory on the way passed and a socket of the owner stands at its end.
  bool passes(const std::string& path) {
    if (!path.starts_with('/')) {
      const auto current = os::read_link_at(AT_FDCWD, "/proc/self/cwd");
      if (!current) return false;
      prepend(*current);
    }
    append(path);
    if (!enter(AT_FDCWD, "/")) return false;
    while (!rest_.empty()) {
      const std::string name = rest_.front();
      rest_.pop_front();
      if (!step(name)) return false;
    }
    return found_;
  }

 private:
  // As path_resolution(7).
  static constexpr int links_max = 40;

  static std::deque<std::string> components(const std::string& path) {
    std::deque<std::string> all;
    for (std::size_t begin = 0; begin < path.size();) {
      const std::size_t end = std::min(path.find('/', begin), path.size());
      if (end > begin) all.push_back(path.substr(begin, end - begin));
      begin = end + 1;
    }
    return all;
  }
  void prepend(const std::string& path) {
    const auto more = components(path);
    rest_.insert(rest_.begin(), more.begin(), more.end());
  }
  void append(const std::string& path) {
    const auto more = components(path);
    rest_.insert(rest_.end(), more.begin(), more.end());
  }

  bool enter(int directory, const std::string& name) {
    auto next = os::open_at(directory, name, O_PATH | O_DIRECTORY);
    if (!next) return false;
    const auto status = os::status_of(next->get());
    if (!status) return false;
    const bool trusted =
        status->st_uid == 0 || status->st_uid == owner_ || status->st_uid == os::own_uid();
    if (!trusted || others_can_write(*status, status->st_uid)) return false;
    here_ = std::move(*next);
    return true;
  }

  bool step(const std::string& name) {
    const auto status = os::status_at(here_.get(), name);
    if (!status) return false;
    if (S_ISLNK(status->st_mode)) {
      const auto target = os::read_link_at(here_.get(), name);
      if (!target || ++links_ > links_max) return false;
      prepend(*target);
      return !target->starts_with('/') || enter(AT_FDCWD, "/");
    }
    if (S_ISDIR(status->st_mode)) return enter(here_.get(), name);
    found_ = rest_.empty() && S_ISSOCK(status->st_mode) && status->st_uid == owner_;
    return found_;
  }

  uid_t owner_;
  Descriptor here_;
  std::deque<std::string> rest_;
  int links_ = 0;
  bool found_ = false;
};

}  // namespace

bool only_owner_can_publish(const std::string& path, uid_t owner) {
  return Walk(owner).passes(path);
}

}  // namespace tincan::path
