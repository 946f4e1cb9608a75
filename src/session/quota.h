#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/time.h"
#include "session/waiting.h"
#include "tincan/peer.h"

namespace tincan::session {

/// What the peers of one uid have with a server at the moment.
struct Account {
  std::uint64_t uid = 0;
  std::uint32_t connections = 0;
  std::uint64_t orphans = 0;  ///< Requests still held, of connections that have closed.
  std::atomic<std::uint64_t> request_bytes = 0;
  std::uint32_t rings = 0;
  std::uint32_t ring_grants = 0;  ///< In the second that began at `ring_grants_since`.
  Moment ring_grants_since;
  LookAllowance looks;
};

/// How many connections and bytes of requests there are, in all and per uid, over all loops of a
/// server. Peers whose uid is unknown share one account.
class Quota {
 public:
  struct Limits {
    std::uint32_t connections = 0;
    std::uint32_t connections_per_uid = 0;
    std::uint64_t request_bytes = 0;
    std::uint64_t request_bytes_per_uid = 0;
    std::uint32_t rings = 0;
    std::uint32_t rings_per_uid = 0;
    std::uint32_t ring_grants_per_second = 0;
  };
  explicit Quota(const Limits& limits) : limits_(limits) {}

  /// Counts a connection, or says why there is no place for it. The account stays until everything
  /// on it was given back.
  [[nodiscard]] std::expected<Account*, std::string> take(const Peer& peer);
  void give_back(Account& account);

  /// Counts bytes of requests; false when they would be too many. Takes no lock.
  [[nodiscard]] bool charge(Account& account, std::uint64_t bytes);
  void discharge(Account& account, std::uint64_t bytes);
  /// Counts a ring, or says why there is none to be had.
  [[nodiscard]] std::expected<void, std::string> take_ring(Account& account, Moment now);
  void give_ring_back(Account& account);
  /// Counts that a ring is granted in the place of another, or says why not now.
  [[nodiscard]] std::expected<void, std::string> exchange_ring(Account& account, Moment now);
  /// For a request that outlives its connection: it is there, so it is never too much.
  void charge_orphan(Account& account, std::uint64_t bytes);
  void discharge_orphan(Account& account, std::uint64_t bytes);

 private:
  [[nodiscard]] std::expected<void, std::string> count_grant(Account& account, Moment now) const;
  void erase_if_unused(Account& account);

  const Limits limits_;
  std::atomic<std::uint64_t> request_bytes_ = 0;
  std::mutex mutex_;
  std::uint32_t connections_ = 0;
  std::uint32_t rings_ = 0;
  std::unordered_map<std::uint64_t, Account> accounts_;
};

}  // namespace tincan::session
