#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "tincan/peer.h"

namespace tincan::session {

/// How many connections there are, in all and per uid, over all loops of a server. Peers whose uid
/// is unknown share one place in the count.
class Quota {
 public:
  Quota(std::uint32_t total_max, std::uint32_t per_uid_max)
      : total_max_(total_max), per_uid_max_(per_uid_max) {}

  /// Counts a connection, or says why there is no place for it.
  [[nodiscard]] std::optional<std::string> take(const Peer& peer);
  void give_back(const Peer& peer);

 private:
  const std::uint32_t total_max_;
  const std::uint32_t per_uid_max_;
  std::mutex mutex_;
  std::uint32_t total_ = 0;
  std::unordered_map<std::uint64_t, std::uint32_t> per_uid_;
};

}  // namespace tincan::session
