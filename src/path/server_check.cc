#include "path/server_check.h"

#include "os/file.h"
#include "os/user.h"
#include "path/directory.h"

namespace tincan::path {

namespace {

std::unexpected<Failure> refused(const Address& address, const std::string& why) {
  return std::unexpected(
      Failure(Cause::refused, "the server of " + address.text() + " runs as " + why));
}

/// Why the server at `address` may be an impostor.
std::string how_others_could(const Address& address) {
  if (address.kind() != Address::Kind::path) return "anybody may take such a name first";
  const std::string& path = address.name();
  const std::size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : path.substr(0, slash + (slash == 0));
  const auto file = os::open_path_at(AT_FDCWD, directory);
  const auto status = file ? os::status_of(file->get()) : std::unexpected(file.error());
  if (status && (status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return "others can write in the directory " + directory;
  }
  return "others could have put it there";
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
  return refused(address, os::describe_user(uid) + ", who is neither root nor you, and " +
                              how_others_could(address) +
                              "; if you expect that user, ask for it: --server-uid " +
                              std::to_string(uid) + ", or ClientOptions::server_uid");
}

}  // namespace tincan::path
