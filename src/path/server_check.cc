#include "path/server_check.h"

#include "os/user.h"
#include "path/directory.h"

namespace tincan::path {

namespace {

std::unexpected<Failure> refused(const Address& address, const std::string& why) {
  return std::unexpected(
      Failure(Cause::refused, "the server of " + address.text() + " runs as " + why));
}

}  // namespace

Result<void> check_server(const Address& address, const Peer& server, std::optional<uid_t> pinned) {
  if (server.inherited()) return {};
  if (!server.uid()) {
    return refused(address, "a user without a name in this user namespace; nothing was sent to it");
  }
  const uid_t uid = *server.uid();
  if (pinned) {
    if (uid == *pinned) return {};
    return refused(address, os::describe_user(uid) + ", not as " + os::describe_user(*pinned) +
                                "; nothing was sent to it");
  }
  if (uid == 0 || uid == os::own_uid()) return {};
  if (address.kind() == Address::Kind::path && only_owner_can_publish(address.name(), uid)) {
    return {};
  }
  return refused(address, os::describe_user(uid) +
                              ", who is neither root nor you, and others could have put it there; "
                              "if that is right, ask for that user (server_uid)");
}

}  // namespace tincan::path
