#pragma once

#include <sys/types.h>

#include <string>

#include "os/file.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"

/// Who can put things into a directory, or take them out: the ground that a socket's name stands
/// on.
namespace tincan::path {

/// A directory, named by a descriptor, and a name in it. Everything is done relative to the
/// descriptor, so that what was checked is what is used.
struct Place {
  Descriptor directory;
  std::string directory_text;  ///< As given; "." when the path has no slash.
  std::string name;
  std::string text;  ///< The whole path as given, for messages.

  /// Errors: `usage` for a path that cannot name a socket ("dir/", ".."); `path`, `refused` or
  /// `no_server` when the directory cannot be opened.
  [[nodiscard]] static Result<Place> open(const std::string& path);
};

/// Refuses a directory in which somebody who is neither we nor root could remove or replace our
/// socket. It must be ours or root's, and writable by nobody else, except that it may be sticky
/// (others can add, not remove) or writable by our private group.
/// Errors: `path`, with the command that mends it.
[[nodiscard]] Result<void> check_directory(const Place& place);

/// True when `path` leads to a socket of `owner` and only `owner`, root and we decide that it does:
/// every directory on the way, also through symbolic links, belongs to one of them and nobody else
/// can write there.
/// A sticky directory is not enough here: in /tmp anybody could have been first.
[[nodiscard]] bool only_owner_can_publish(const std::string& path, uid_t owner);

}  // namespace tincan::path
