#pragma once

#include <sys/types.h>

#include <optional>

#include "os/result.h"
#include "path/directory.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"
#include "tincan/options.h"

namespace tincan::path {

/// Who may connect, as the socket file says it, and how many may wait.
struct Rights {
  mode_t mode = 0;
  std::optional<gid_t> group;
  int backlog = 0;

  /// Errors: `usage` for a mode with other than permission bits, or a group that does not exist.
  [[nodiscard]] static Result<Rights> of(const ListenOptions& options);
};

/// Gives a socket file, open as O_PATH, its group and mode. At no moment can anybody connect whom
/// neither the old nor the new rights let in. After an error they are the old ones, as far as we
/// may set them.
/// Errors: `refused` when we may not give it to the group · `unsupported` without /proc · `system`.
[[nodiscard]] Result<void> apply(const Rights& rights, const Place& place, const Descriptor& file);

/// What `restore` puts back.
struct FileRights {
  mode_t mode = 0;
  gid_t group = 0;
};
/// Gives the file its rights of `before`, in the same order as `apply`. Where the group cannot be
/// put back, the one that stays gets nothing. Looks no names up, so it may run on a loop.
[[nodiscard]] os::Sys<void> restore(const FileRights& before, const Descriptor& file);

}  // namespace tincan::path
