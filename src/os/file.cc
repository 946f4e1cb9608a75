#include "os/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <sstream>

#include "os/seam.h"

namespace tincan::os {

namespace {

Sys<Descriptor> open_with(int directory, const char* name, int flags, mode_t mode) {
  if (const int error = before(Call::open)) return failed(error);
  int number = ::openat(directory, name, flags | O_CLOEXEC, mode);
  while (number < 0 && errno == EINTR) {
    number = ::openat(directory, name, flags | O_CLOEXEC, mode);
  }
  if (number < 0) return failed();
  return Descriptor(number);
}

}  // namespace

std::string_view kind_of(const struct stat& status) {
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      return "a regular file";
    case S_IFDIR:
      return "a directory";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    default:
      return "a device";
  }
}

Sys<Descriptor> open_directory(const std::string& path) {
  return open_with(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY, 0);
}

Sys<Descriptor> open_at(int directory, const std::string& name, int flags, mode_t mode) {
  return open_with(directory, name.c_str(), flags | O_NOFOLLOW, mode);
}

Sys<Descriptor> open_path_at(int directory, const std::string& name) {
  return open_with(directory, name.c_str(), O_PATH, 0);
}

Sys<struct stat> status_of(int descriptor) {
  if (const int error = before(Call::fstat)) return failed(error);
  struct stat status;
  if (::fstat(descriptor, &status) < 0) return failed();
  return status;
}

Sys<struct stat> status_at(int directory, const std::string& name) {
  if (const int error = before(Call::stat)) return failed(error);
  struct stat status;
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return failed();
  return status;
}

Sys<std::string> read_link_at(int directory, const std::string& name) {
  if (const int error = before(Call::readlink)) return failed(error);
  std::string target(PATH_MAX, '\0');
  const auto bytes = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (bytes < 0) return failed();
  target.resize(static_cast<std::size_t>(bytes));
  return target;
}

Sys<void> rename_at(int directory, const std::string& from, const std::string& to, unsigned flags) {
  if (const int error = before(Call::rename)) return failed(error);
  return done(::renameat2(directory, from.c_str(), directory, to.c_str(), flags));
}

Sys<void> unlink_at(int directory, const std::string& name) {
  if (const int error = before(Call::unlink)) return failed(error);
  return done(::unlinkat(directory, name.c_str(), 0));
}

Sys<void> set_mode(int descriptor, mode_t mode) {
  if (const int error = before(Call::chmod)) return failed(error);
  return done(::fchmod(descriptor, mode));
}

Sys<void> set_mode_of_path(int descriptor, mode_t mode) {
  if (const int error = before(Call::chmod)) return failed(error);
  return done(::chmod(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), mode));
}

Sys<void> set_group(int descriptor, gid_t group) {
  if (const int error = before(Call::chown)) return failed(error);
  return done(::fchownat(descriptor, "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH));
}

Sys<void> lock(int descriptor) {
  if (const int error = before(Call::lock)) return failed(error);
  return done(::flock(descriptor, LOCK_EX | LOCK_NB));
}

std::optional<pid_t> lock_holder(const FileId& file) {
  std::istringstream locks(read_text("/proc/locks"));
  for (std::string line; std::getline(locks, line);) {
    // proc_locks(5): "1: FLOCK  ADVISORY  WRITE 4312 fe:00:131245 0 EOF"
    int pid;
    unsigned major_number;
    unsigned minor_number;
    unsigned long inode;
    if (std::sscanf(line.c_str(), "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major_number,
                    &minor_number, &inode) == 4 &&
        file == FileId{makedev(major_number, minor_number), inode}) {
      return pid;
    }
  }
  return std::nullopt;
}

Sys<std::string> read_start(int descriptor, std::size_t bytes_max) {
  if (const int error = before(Call::read)) return failed(error);
  std::string text(bytes_max, '\0');
  const auto bytes = ::pread(descriptor, text.data(), text.size(), 0);
  if (bytes < 0) return failed();
  text.resize(static_cast<std::size_t>(bytes));
  return text;
}

Sys<void> write_whole(int descriptor, const std::string& text) {
  if (const int error = before(Call::write)) return failed(error);
  const auto written = ::pwrite(descriptor, text.data(), text.size(), 0);
  if (written < 0) return failed();
  if (static_cast<std::size_t>(written) < text.size()) return failed(ENOSPC);
  if (const int error = before(Call::truncate)) return failed(error);
  return done(::ftruncate(descriptor, static_cast<off_t>(text.size())));
}

std::string read_text(const std::string& path) {
  const auto file = open_with(AT_FDCWD, path.c_str(), O_RDONLY, 0);
  std::string text;
  char piece[4096];
  while (file) {
    if (before(Call::read) != 0) break;
    const auto bytes = ::read(file->get(), piece, sizeof piece);
    if (bytes <= 0) break;
    text.append(piece, static_cast<std::size_t>(bytes));
  }
  return text;
}

}  // namespace tincan::os
