#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/payload.h"
#include "os/poller.h"
#include "path/claim.h"
#include "protocol/session.h"
#include "session/lent_memory.h"
#include "session/loop.h"
#include "session/quota.h"
#include "tincan/client.h"
#include "tincan/server.h"

namespace tincan::session {

/// One method of a server.
struct MethodEntry {
  std::string name;  ///< For the log.
  Handler handler;
  AllowList allow;
  std::string rules;           ///< `allow` for people.
  BatchHandler batch_handler;  ///< If it takes messages where they lie.
};

/// What the loops of a server share: the listener, the methods, the quota, the drain.
class Service {
 public:
  /// Errors: no descriptor for the bell.
  [[nodiscard]] static Result<std::unique_ptr<Service>> create(Address address,
                                                               const ServerOptions& options,
                                                               std::optional<path::Claim> claim);
  ~Service();

  const Address address;
  const ServerOptions options;
  const std::string rules;  ///< options.allow for people.
  const std::uint32_t generation;
  // As in `options`, but never longer than nanoseconds can say.
  const Nanoseconds handshake_deadline;
  const Nanoseconds drain_deadline;
  const Nanoseconds accept_rest;
  const Nanoseconds slow_handler;
  const Nanoseconds ring_idle;
  PayloadPool* const pool;
  const protocol::Settings session_settings;   ///< Of every connection's session,
  const protocol::Settings trusting_settings;  ///< but of those whose shared views are taken.
  Quota quota;
  const std::shared_ptr<MemoryBudget> views;  ///< What clients have handed over.
  const std::shared_ptr<MemoryBudget> loans;  ///< What we have.
  LoanPool own_loans;                         ///< For answers to whomever.

  // Who is trusted with shared views, and lent memory: service_loans.cc.
  [[nodiscard]] const protocol::Settings& settings_for(const Peer& peer) const;
  [[nodiscard]] bool lends_to(const Peer& peer) const;

  // Methods. Fixed once a loop has turned.
  void on(std::string_view method, Handler handler, AllowList allow);
  void on_batch(std::string_view method, BatchHandler handler, AllowList allow);
  void on_any(Handler handler, AllowList allow);
  /// Null when there is no such method.
  [[nodiscard]] const MethodEntry* find(std::string_view method) const;
  /// "no method job.stauts (methods: job.run, job.status)".
  [[nodiscard]] std::string no_method(std::string_view method) const;
  [[nodiscard]] std::vector<std::string_view> method_names() const;
  void freeze() { frozen_.store(true, std::memory_order_relaxed); }

  // Loops.
  [[nodiscard]] Result<Loop*> add_loop();
  void remove_loop(Loop& loop);
  /// Posts `newcomer` to the loop with the fewest connections. False: that is `from`, which keeps
  /// it. Either is told to expect one more.
  [[nodiscard]] bool place_elsewhere(Newcomer& newcomer, Loop& from);
  [[nodiscard]] Server::Counts counts() const;
  [[nodiscard]] bool is_forked() const;

  // Listening, and how the path goes from one server to the next: service_path.cc.
  [[nodiscard]] int listener() const { return claim_ ? claim_->fd() : -1; }
  [[nodiscard]] bool single_connection() const { return single_connection_; }
  void set_single_connection() { single_connection_ = true; }
  [[nodiscard]] os::Sys<Descriptor> accept() { return claim_->accept(); }
  /// A loop no longer watches the listener; the last one closes it.
  void stopped_listening();
  /// Listener and lock for the successor at the other end of a connection of ours. It may change
  /// the file's rights, and we serve on until it says that it does (`let_go`), or has gone.
  [[nodiscard]] Result<std::vector<Descriptor>> hand_over(const Peer& successor);
  /// The successor did not get them: everything stays ours.
  void keep_what_was_handed();
  /// The path is the successor's, and `stop` is due. False: `peer` is not the successor.
  [[nodiscard]] bool let_go(const Peer& peer);
  /// A connection ends. If it is the successor's, the path is ours again as it was.
  void connection_ended(const Peer& peer) noexcept;
  /// The path was taken over from the server that `predecessor` leads to, which is to be told.
  void succeed(Client predecessor);
  /// Before the first turn: tells the server before us to stop, which goes on if we are to stop
  /// ourselves. Nothing is waited for.
  /// Errors: `held` when that server has taken the path back; then we stop.
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] bool has_begun() const { return begun_.load(std::memory_order_acquire); }

  // The drain.
  void stop();
  /// A loop has seen the stop.
  void set_draining() { draining_.store(true, std::memory_order_release); }
  [[nodiscard]] bool draining() const { return draining_.load(std::memory_order_acquire); }
  [[nodiscard]] int stop_fd() const { return stop_bell_.fd(); }
  /// Frees the path; the first loop that sees the stop does it.
  void release_path();

  /// What the application's log throws is dropped.
  void log(const std::string& line) const;

 private:
  Service(Address where, const ServerOptions& how, std::optional<path::Claim> claim, os::Bell stop);
  void forget_successor();

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_map<std::string, MethodEntry, Hash, std::equal_to<>> methods_;
  std::optional<MethodEntry> any_method_;
  /// For no_method: the application's methods, and ours. Made when first asked for.
  mutable std::mutex lists_mutex_;
  mutable std::optional<std::array<std::string, 2>> lists_;
  std::atomic<bool> frozen_ = false;
  std::optional<path::Claim> claim_;
  bool single_connection_ = false;
  std::atomic<bool> draining_ = false;
  os::Bell stop_bell_;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Loop>> loops_;
  Server::Counts past_counts_;  ///< Of loops that have ended.
  std::size_t listening_loops_ = 0;
  bool path_released_ = false;
  std::optional<Peer> successor_;  ///< Who has listener and lock, and does not serve yet.
  std::atomic<bool> has_successor_ = false;
  std::optional<Client> predecessor_;
  std::atomic<bool> begun_ = true;  ///< False while there is a predecessor.
  std::atomic<bool> stop_asked_ = false;
};

/// Adds tincan.ping, tincan.methods, tincan.stats, tincan.health, tincan.take_over and
/// tincan.taken_over.
void add_reserved_methods(Service& service);

}  // namespace tincan::session
