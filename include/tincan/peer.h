#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tincan/descriptor.h"
#include "tincan/failure.h"

namespace tincan {

/// Who is at the other end, as the kernel recorded it when the connection was made.
///
/// For a server that is the client at its connect(2); for a client it is whoever called listen(2).
/// A process that changes its uid later, or passes the connection on, is not noticed: authorise
/// connections, not messages. Threads: a value; copies share one record.
class Peer {
 public:
  /// Unknown: nothing is known and nothing matches.
  Peer() = default;

  /// No value when the kernel shows only the overflow id: the peer's user has no name in our user
  /// namespace, and no rule may match it.
  [[nodiscard]] std::optional<uid_t> uid() const;
  [[nodiscard]] std::optional<gid_t> gid() const;
  /// No value when the peer lives in another pid namespace. Good for a log line; a pid is reused,
  /// so decide by uid, gid or `pidfd()`.
  [[nodiscard]] std::optional<pid_t> pid() const;
  /// The supplementary groups at connect (SO_PEERGROUPS), without the overflow gid. Asked of the
  /// kernel on first use and then kept: one system call. Who first asks after the connection has
  /// ended learns of none, and so admits nobody.
  [[nodiscard]] const std::vector<gid_t>& groups() const;
  /// True when `gid` is the peer's primary or a supplementary group.
  [[nodiscard]] bool in_group(gid_t gid) const;
  /// True for connections that were inherited (`fd:`, `systemd:`, `exec:`): the kernel then reports
  /// who made the socket, not who uses it, and uid and gid rules do not apply.
  [[nodiscard]] bool inherited() const;
  /// A descriptor for the process, safe against reuse of the pid. Not kept: one system call each.
  /// Errors: `unsupported` before Linux 6.5 or when the process has been reaped; `closed` when the
  /// connection has ended, for only the connection can be asked.
  [[nodiscard]] Result<Descriptor> pidfd() const;
  /// For people: "uid 1002 (bob), pid 4312". Looks the name up (getpwuid_r): not for a loop.
  [[nodiscard]] std::string describe() const;

  struct Record;
  explicit Peer(std::shared_ptr<Record> record) : record_(std::move(record)) {}
  [[nodiscard]] Record* record() const { return record_.get(); }

 private:
  std::shared_ptr<Record> record_;
};

}  // namespace tincan
