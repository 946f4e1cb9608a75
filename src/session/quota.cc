#include "session/quota.h"

#include "base/check.h"

namespace tincan::session {

namespace {

constexpr std::uint64_t unknown_uid = UINT64_MAX;

std::uint64_t key_of(const Peer& peer) {
  const auto uid = peer.uid();
  return uid ? *uid : unknown_uid;
}

bool add(std::atomic<std::uint64_t>& sum, std::uint64_t bytes, std::uint64_t most) {
  // Others add at the same time: what was added too much is seen by them for a moment, and may
  // refuse what would just have fitted. It never admits too much.
  const std::uint64_t before = sum.fetch_add(bytes, std::memory_order_relaxed);
  if (before <= most && bytes <= most - before) return true;
  sum.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

}  // namespace

std::expected<Account*, std::string> Quota::take(const Peer& peer) {
  const std::uint64_t key = key_of(peer);
  const std::lock_guard lock(mutex_);
  if (connections_ >= limits_.connections) {
    return std::unexpected("the server has " + std::to_string(connections_) +
                           " connections, its limit");
  }
  Account& account = accounts_[key];
  account.uid = key;
  if (account.connections >= limits_.connections_per_uid) {
    return std::unexpected(
        (key == unknown_uid ? "users unknown here" : "uid " + std::to_string(key)) + " has " +
        std::to_string(account.connections) + " connections, the server's limit for one user");
  }
  ++account.connections;
  ++connections_;
  return &account;
}

void Quota::give_back(Account& account) {
  const std::lock_guard lock(mutex_);
  --connections_;
  --account.connections;
  erase_if_unused(account);
}

std::expected<void, std::string> Quota::take_ring(Account& account, Moment now) {
  const std::lock_guard lock(mutex_);
  if (limits_.rings == 0) return std::unexpected("the server takes none");
  if (rings_ >= limits_.rings) {
    return std::unexpected("the server has " + std::to_string(rings_) + ", its limit");
  }
  if (account.rings >= limits_.rings_per_uid) {
    return std::unexpected("this user has " + std::to_string(account.rings) +
                           ", the server's limit for one");
  }
  if (auto counted = count_grant(account, now); !counted) return counted;
  ++account.rings;
  ++rings_;
  return {};
}

std::expected<void, std::string> Quota::exchange_ring(Account& account, Moment now) {
  const std::lock_guard lock(mutex_);
  return count_grant(account, now);
}

/// With the lock held.
std::expected<void, std::string> Quota::count_grant(Account& account, Moment now) const {
  if (now.since(account.ring_grants_since) >= std::chrono::seconds(1)) {
    account.ring_grants_since = now;
    account.ring_grants = 0;
  }
  if (account.ring_grants >= limits_.ring_grants_per_second) {
    return std::unexpected("this user has asked for too many in one second");
  }
  ++account.ring_grants;
  return {};
}

void Quota::give_ring_back(Account& account) {
  const std::lock_guard lock(mutex_);
  // One too few, and nobody would get a ring any more.
  TINCAN_CHECK(account.rings > 0 && rings_ > 0);
  --account.rings;
  --rings_;
}

bool Quota::charge(Account& account, std::uint64_t bytes) {
  if (!add(account.request_bytes, bytes, limits_.request_bytes_per_uid)) return false;
  if (add(request_bytes_, bytes, limits_.request_bytes)) return true;
  account.request_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

void Quota::discharge(Account& account, std::uint64_t bytes) {
  account.request_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  request_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

void Quota::charge_orphan(Account& account, std::uint64_t bytes) {
  account.request_bytes.fetch_add(bytes, std::memory_order_relaxed);
  request_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  ++account.orphans;
}

void Quota::discharge_orphan(Account& account, std::uint64_t bytes) {
  discharge(account, bytes);
  const std::lock_guard lock(mutex_);
  --account.orphans;
  erase_if_unused(account);
}

void Quota::erase_if_unused(Account& account) {
  if (account.connections == 0 && account.orphans == 0)
    accounts_.erase(accounts_.find(account.uid));
}

}  // namespace tincan::session
