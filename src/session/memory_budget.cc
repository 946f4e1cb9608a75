#include "session/memory_budget.h"

#include <mutex>

namespace tincan::session {

std::uint64_t MemoryBudget::uid_of(const Peer& peer) {
  const auto uid = peer.uid();
  return uid ? *uid : UINT64_MAX;
}

bool MemoryBudget::charge(std::uint64_t uid, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > bytes_max_ || bytes_ > bytes_max_ - bytes) return false;
  std::uint64_t& own = of_uid_[uid];
  const bool fits = bytes <= bytes_per_uid_max_ && own <= bytes_per_uid_max_ - bytes;
  if (fits || uid == nobody) {
    own += bytes;
    bytes_ += bytes;
    return true;
  }
  if (own == 0) of_uid_.erase(uid);
  return false;
}

void MemoryBudget::discharge(std::uint64_t uid, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ -= bytes;
  const auto own = of_uid_.find(uid);
  if ((own->second -= bytes) == 0) of_uid_.erase(own);
}

}  // namespace tincan::session
