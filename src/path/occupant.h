#pragma once

#include <string>
#include <vector>

#include "os/file.h"
#include "path/directory.h"
#include "tincan/failure.h"

namespace tincan::path {

/// What stands at a name.
struct Occupant {
  enum class State {
    none,     ///< Nothing.
    dead,     ///< A socket of ours that no process has any more: it may go.
    live,     ///< A socket that a process has.
    foreign,  ///< Anything else: never touched.
  };
  State state = State::none;
  os::FileId id;
  std::string description;  ///< Of `live`: who has it. Of `foreign`: what it is.
};

/// Looks at `name`, and at sockets by connecting to them.
///
/// A socket that nobody listens on is dead only if it belongs to us and the kernel's list of bound
/// sockets does not have it: between bind(2) and listen(2) a living server's socket refuses too.
/// Where that list cannot be had, it is dead if it is one of `recorded`.
/// Errors: `system` · `exhausted`.
[[nodiscard]] Result<Occupant> examine(const Place& place, const std::string& name,
                                       const std::vector<os::FileId>& recorded);

/// What to tell when `occupant` stands at the path and is not ours to replace; nothing when it is.
/// Causes: `held` · `path`.
[[nodiscard]] Result<void> may_replace(const Place& place, const Occupant& occupant);

}  // namespace tincan::path
