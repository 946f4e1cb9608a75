#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "os/result.h"
#include "tincan/descriptor.h"

/// Files by directory descriptor and name. Unless it says so, no symbolic link is followed in the
/// last component. Every descriptor is close-on-exec.
namespace tincan::os {

/// Which file it is, however it is called.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};
[[nodiscard]] inline FileId id_of(const struct stat& status) {
  return {status.st_dev, status.st_ino};
}

/// "a regular file", "a symbolic link", …
[[nodiscard]] std::string_view kind_of(const struct stat& status);

/// A descriptor that only names the directory (O_PATH), so search permission is enough.
[[nodiscard]] Sys<Descriptor> open_directory(const std::string& path);
/// openat(2) with O_NOFOLLOW.
[[nodiscard]] Sys<Descriptor> open_at(int directory, const std::string& name, int flags,
                                      mode_t mode = 0);
/// A descriptor that only names a file of any kind (O_PATH); links are followed.
[[nodiscard]] Sys<Descriptor> open_path_at(int directory, const std::string& name);
/// fstat(2).
[[nodiscard]] Sys<struct stat> status_of(int descriptor);
/// Of the name itself, as lstat(2).
[[nodiscard]] Sys<struct stat> status_at(int directory, const std::string& name);
[[nodiscard]] Sys<std::string> read_link_at(int directory, const std::string& name);
/// renameat2(2) within one directory. `flags`: RENAME_NOREPLACE or RENAME_EXCHANGE.
[[nodiscard]] Sys<void> rename_at(int directory, const std::string& from, const std::string& to,
                                  unsigned flags);
[[nodiscard]] Sys<void> unlink_at(int directory, const std::string& name);
/// fchmod(2). On a socket before bind(2) it becomes the mode of the file, less the umask.
[[nodiscard]] Sys<void> set_mode(int descriptor, mode_t mode);
/// Of a file that is open as O_PATH only; needs /proc.
[[nodiscard]] Sys<void> set_mode_of_path(int descriptor, mode_t mode);
[[nodiscard]] Sys<void> set_group(int descriptor, gid_t group);
/// flock(2), exclusive, without waiting. EWOULDBLOCK: another open file holds it.
[[nodiscard]] Sys<void> lock(int descriptor);
/// The pid that holds a flock(2) on `file`, from /proc/locks; none when nobody does, or when the
/// holder lives in a pid namespace that we do not see.
[[nodiscard]] std::optional<pid_t> lock_holder(const FileId& file);
/// The first `bytes_max` bytes, from the start.
[[nodiscard]] Sys<std::string> read_start(int descriptor, std::size_t bytes_max);
/// Makes `text` the whole content. It is written over the old content in one piece and the rest cut
/// off afterwards: a crash in between leaves the new text before the end of the old.
[[nodiscard]] Sys<void> write_whole(int descriptor, const std::string& text);
/// A whole small file of /proc or the like; empty when it cannot be read.
[[nodiscard]] std::string read_text(const std::string& path);

}  // namespace tincan::os
