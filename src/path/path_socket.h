#pragma once

#include <string>

#include "os/process.h"
#include "path/directory.h"
#include "path/lock.h"
#include "path/rights.h"
#include "tincan/failure.h"

namespace tincan::path {

/// A listening socket that stands at a path, and the lock that makes it ours.
class PathSocket {
 public:
  /// Takes the lock, puts what is dead away and publishes a listening socket.
  /// Errors: as Listener::listen.
  [[nodiscard]] static Result<PathSocket> claim(const std::string& path, const Rights& rights);
  /// Takes over what a living holder passed to us. After an error the file has the rights that it
  /// had, as far as we may set them.
  /// Errors: `held` when one of the two is not what stands at the path.
  [[nodiscard]] static Result<PathSocket> adopt(const std::string& path, const Rights& rights,
                                                Descriptor listener, Descriptor lock);

  [[nodiscard]] int listener() const { return listener_.get(); }
  [[nodiscard]] Result<Descriptor> duplicate_listener() const { return listener_.duplicate(); }
  [[nodiscard]] Result<Descriptor> duplicate_lock() const { return lock_.duplicate(); }

  /// The rights of the file, for `take_back`.
  [[nodiscard]] os::Sys<FileRights> rights() const;
  /// After a successor that has changed them: puts the file's rights back, writes our name into the
  /// lock, and listens again, for clients see the credentials of who called listen(2) last. Does
  /// what it can; the first failure is returned.
  [[nodiscard]] os::Sys<void> take_back(const FileRights& before);
  /// False: the lock names another process.
  [[nodiscard]] bool is_named_in_lock() const { return lock_.names_us(); }
  /// The process that the lock names, for people.
  [[nodiscard]] std::string holder() const { return lock_.holder(); }

  /// Takes the socket from the path, if it is still there, and lets the lock go.
  void withdraw();
  /// Lets lock and listener go and leaves the path as it is.
  void abandon();

 private:
  friend class Publisher;
  PathSocket(Place place, Lock lock, os::CloseInChild listener, os::FileId file, int backlog)
      : place_(std::move(place)),
        lock_(std::move(lock)),
        listener_(std::move(listener)),
        file_(file),
        backlog_(backlog) {}
  /// The file at the path, if it is our socket. Errors: ENOENT when it is not.
  [[nodiscard]] os::Sys<Descriptor> open_file() const;

  Place place_;
  Lock lock_;
  os::CloseInChild listener_;
  os::FileId file_;
  int backlog_;
};

/// Takes `file` away from the place's name, if it stands there, and nothing else.
void take_down(const Place& place, const os::FileId& file);

}  // namespace tincan::path
