#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "os/mutex.h"
#include "tincan/peer.h"

namespace tincan::session {

/// What memory is counted as at least, whoever's it is: a mapping at its holder and a descriptor at
/// its owner cost something however small it is. Chosen: 16,384 views of the smallest are then all
/// that a server holds by default, and 4,096 loans all that it lends.
inline constexpr std::uint64_t memory_bytes_counted_min = std::uint64_t{1} << 20;

/// Bytes of memory that is handed over, in all and per uid. It lives as long as something is
/// charged to it. Threads: any; one lock for each memory that is made or mapped, none for those
/// that are used again.
class MemoryBudget {
 public:
  MemoryBudget(std::uint64_t bytes_max, std::uint64_t bytes_per_uid_max)
      : bytes_max_(bytes_max), bytes_per_uid_max_(bytes_per_uid_max) {}

  /// What is nobody's counts in all and is bounded for no uid.
  static constexpr std::uint64_t nobody = UINT64_MAX - 1;
  /// Whose account `peer` is on; those whose uid is unknown share one.
  [[nodiscard]] static std::uint64_t uid_of(const Peer& peer);

 private:
  friend class MemoryCharge;
  [[nodiscard]] bool charge(std::uint64_t uid, std::uint64_t bytes);
  void discharge(std::uint64_t uid, std::uint64_t bytes);

  const std::uint64_t bytes_max_;
  const std::uint64_t bytes_per_uid_max_;
  os::Mutex mutex_;
  std::uint64_t bytes_ = 0;
  std::unordered_map<std::uint64_t, std::uint64_t> of_uid_;
};

/// Bytes on a budget, given back by whoever drops this last.
class MemoryCharge {
 public:
  MemoryCharge() = default;
  /// None: it would be too much, for the uid or in all.
  [[nodiscard]] static std::optional<MemoryCharge> of(std::shared_ptr<MemoryBudget> budget,
                                                      std::uint64_t uid, std::uint64_t bytes) {
    if (!budget->charge(uid, bytes)) return std::nullopt;
    return MemoryCharge(std::move(budget), uid, bytes);
  }
  MemoryCharge(MemoryCharge&& other) noexcept = default;
  MemoryCharge& operator=(MemoryCharge&& other) noexcept {
    MemoryCharge taken(std::move(other));
    std::swap(budget_, taken.budget_);
    std::swap(uid_, taken.uid_);
    std::swap(bytes_, taken.bytes_);
    return *this;
  }
  ~MemoryCharge() {
    if (budget_) budget_->discharge(uid_, bytes_);
  }

 private:
  MemoryCharge(std::shared_ptr<MemoryBudget> budget, std::uint64_t uid, std::uint64_t bytes)
      : budget_(std::move(budget)), uid_(uid), bytes_(bytes) {}

  std::shared_ptr<MemoryBudget> budget_;
  std::uint64_t uid_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace tincan::session
