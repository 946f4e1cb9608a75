#include "session/quota.h"

namespace tincan::session {

namespace {
constexpr std::uint64_t unknown_uid = UINT64_MAX;

std::uint64_t key_of(const Peer& peer) {
  const auto uid = peer.uid();
  return uid ? *uid : unknown_uid;
}
}  // namespace

std::optional<std::string> Quota::take(const Peer& peer) {
  const std::uint64_t key = key_of(peer);
  const std::lock_guard lock(mutex_);
  if (total_ >= total_max_) {
    return "the server has " + std::to_string(total_) + " connections, its limit";
  }
  std::uint32_t& count = per_uid_[key];
  if (count >= per_uid_max_) {
    return (key == unknown_uid ? "users unknown here" : "uid " + std::to_string(key)) + " has " +
           std::to_string(count) + " connections, the server's limit for one user";
  }
  ++count;
  ++total_;
  return std::nullopt;
}

void Quota::give_back(const Peer& peer) {
  const std::lock_guard lock(mutex_);
  --total_;
  const auto found = per_uid_.find(key_of(peer));
  if (--found->second == 0) per_uid_.erase(found);
}

}  // namespace tincan::session
