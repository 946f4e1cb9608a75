#pragma once

#include <string>
#include <vector>

#include "os/file.h"
#include "os/process.h"
#include "path/directory.h"
#include "tincan/failure.h"

namespace tincan::path {

/// What a holder writes into its lock file; lines of text, so that `cat` answers who holds a path.
struct LockRecord {
  pid_t pid = 0;
  std::string program;
  /// Sockets that tincan made for this path: what a later start may remove when they are dead.
  std::vector<os::FileId> sockets;

  [[nodiscard]] std::string text() const;
  /// Takes what it understands and leaves the rest at its default.
  [[nodiscard]] static LockRecord parse(const std::string& text);
  /// "pid 4312 (/usr/bin/appd)", or "another process".
  [[nodiscard]] std::string holder() const;
};

/// The locked lock file `.NAME.lock` beside a socket: whoever has it may change what stands at the
/// path.
///
/// The file is never removed, for a lock on a removed file excludes nobody. Its name is looked at
/// again after the lock was had, and its owner, type and links before it is written, so that nobody
/// can plant a file for us to damage. A lock of another user, who could lock us out with it, is
/// replaced where the directory lets us and nothing of that user's stands at the path.
class Lock {
 public:
  /// Errors: `held` (by whom) · `path` (what has the lock's name, or the path's) · `refused` ·
  /// `exhausted`.
  [[nodiscard]] static Result<Lock> take(const Place& place);
  /// Takes the lock over from its holder, who passed it to us.
  /// Errors: `held` when it is not the lock of `place`, or is locked by somebody else.
  [[nodiscard]] static Result<Lock> adopt(const Place& place, Descriptor handed);

  /// What was written before.
  [[nodiscard]] const LockRecord& previous() const { return previous_; }
  /// Writes our pid and program, and `sockets`.
  /// Errors: `exhausted` when the disk is full · `system`.
  [[nodiscard]] Result<void> record(const Place& place, std::vector<os::FileId> sockets);
  /// True while the file has its name. When it has not, somebody removed it, and another process
  /// may have another lock for the same path.
  [[nodiscard]] bool in_place(const Place& place) const;
  /// What the file says now: since `record`, somebody who has the lock too may have written it.
  [[nodiscard]] bool names_us() const;
  [[nodiscard]] std::string holder() const;
  /// For a successor. Errors: `exhausted`.
  [[nodiscard]] Result<Descriptor> duplicate() const { return file_.duplicate(); }
  /// Lets go. A duplicate elsewhere keeps the lock.
  void close() { file_.reset(); }

 private:
  [[nodiscard]] LockRecord read() const;
  Lock(os::CloseInChild file, LockRecord previous)
      : file_(std::move(file)), previous_(std::move(previous)) {}
  friend class LockTaker;

  os::CloseInChild file_;
  LockRecord previous_;
};

}  // namespace tincan::path
