#include "path/access.h"

#include <algorithm>

#include "os/user.h"

namespace tincan::path {

bool admits(const AllowList& allow, const Peer& peer) {
  if (allow.empty() || peer.inherited()) return true;
  // An unknown id is no value, so a rule that names the overflow id matches nobody.
  if (peer.uid() && std::ranges::count(allow.uids, *peer.uid()) > 0) return true;
  return std::ranges::any_of(allow.gids, [&](gid_t gid) { return peer.in_group(gid); });
}

std::string describe(const AllowList& allow) {
  std::string text;
  const auto append = [&](const std::string& rule) { text += (text.empty() ? "" : ", ") + rule; };
  for (const gid_t gid : allow.gids) append(os::describe_group(gid));
  for (const uid_t uid : allow.uids) append(os::describe_user(uid));
  return text;
}

std::string refusal(const Peer& peer, std::string_view rules) {
  std::string text =
      peer.uid() ? "uid " + std::to_string(*peer.uid()) : "a user unknown to this user namespace";
  return text.append(" matches no rule; allowed: ").append(rules);
}

std::string with_own_name(std::string_view refusal) {
  const uid_t uid = os::own_uid();
  const std::string own = "uid " + std::to_string(uid);
  if (!refusal.starts_with(own + " ")) return std::string(refusal);
  return os::describe_user(uid).append(refusal.substr(own.size()));
}

}  // namespace tincan::path
