#include "path/peer.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "os/socket.h"
#include "os/user.h"

namespace tincan {

/// What the kernel said when the connection was made, and, to ask for more, the socket.
struct Peer::Record {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<pid_t> pid;
  bool inherited = false;
  Descriptor process;  ///< Of an `exec:` child only.

  std::mutex mutex;  ///< Guards `socket`, so that nobody asks a number that was closed meanwhile.
  int socket = -1;
  std::vector<gid_t> groups;  ///< Fixed from the first question on.
  bool groups_asked = false;
};

std::optional<uid_t> Peer::uid() const { return record_ ? record_->uid : std::nullopt; }

std::optional<gid_t> Peer::gid() const { return record_ ? record_->gid : std::nullopt; }

std::optional<pid_t> Peer::pid() const { return record_ ? record_->pid : std::nullopt; }

const std::vector<gid_t>& Peer::groups() const {
  static const std::vector<gid_t> none;
  if (!record_) return none;
  const std::lock_guard lock(record_->mutex);
  if (!std::exchange(record_->groups_asked, true) && record_->socket >= 0) {
    if (auto asked = os::peer_groups(record_->socket)) {
      std::erase(*asked, os::overflow_gid());
      record_->groups = std::move(*asked);
    }
  }
  return record_->groups;
}

bool Peer::in_group(gid_t gid) const {
  // A caller's rule may name the overflow gid: no peer is in it.
  return record_ && (record_->gid == gid || std::ranges::count(groups(), gid) > 0);
}

bool Peer::inherited() const { return record_ && record_->inherited; }

Result<Descriptor> Peer::pidfd() const {
  if (!record_) return std::unexpected(Failure(Cause::closed, "the peer is unknown"));
  if (record_->process) return record_->process.duplicate();
  const std::lock_guard lock(record_->mutex);
  if (record_->socket < 0) {
    return std::unexpected(Failure(Cause::closed, "the connection has ended"));
  }
  auto process = os::peer_pidfd(record_->socket);
  if (process) return std::move(*process);
  const int code = process.error().code;
  if (code == EMFILE || code == ENFILE) {
    return std::unexpected(Failure(Cause::exhausted, "no descriptor is free", code));
  }
  const bool old_kernel = code == ENOPROTOOPT || code == EINVAL;
  return std::unexpected(Failure(
      Cause::unsupported,
      old_kernel ? "SO_PEERPIDFD needs Linux 6.5" : "the peer's process has ended and been reaped",
      code));
}

std::string Peer::describe() const {
  if (!record_) return "an unknown peer";
  std::string text;
  if (uid()) {
    text = os::describe_user(*uid());
  } else {
    // Who the user of an inherited connection is was never to be known.
    text = inherited() ? "an inherited peer" : "a user unknown in this user namespace";
  }
  if (pid()) text += ", pid " + std::to_string(*pid());
  if (uid() && inherited()) text += " (inherited)";
  return text;
}

namespace path {

Peer peer_of(int socket, bool inherited) {
  auto record = std::make_shared<Peer::Record>();
  record->inherited = inherited;
  record->socket = socket;
  if (const auto credentials = os::peer_credentials(socket)) {
    if (credentials->uid != os::overflow_uid()) record->uid = credentials->uid;
    if (credentials->gid != os::overflow_gid()) record->gid = credentials->gid;
    if (credentials->pid > 0) record->pid = credentials->pid;
  }
  return Peer(std::move(record));
}

Peer peer_of_child(pid_t pid, Descriptor process) {
  auto record = std::make_shared<Peer::Record>();
  record->inherited = true;
  record->pid = pid;
  record->process = std::move(process);
  return Peer(std::move(record));
}

void forget_socket(const Peer& peer) {
  if (Peer::Record* const record = peer.record()) {
    const std::lock_guard lock(record->mutex);
    record->socket = -1;
  }
}

}  // namespace path

}  // namespace tincan
