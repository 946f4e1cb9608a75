#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/aligned.h"
#include "base/buffer.h"
#include "os/poller.h"
#include "session/connection.h"
#include "session/connection_queue.h"
#include "session/mailbox.h"
#include "session/waiting.h"
#include "tincan/server.h"

namespace tincan::session {

class Service;
struct MethodEntry;

/// What a loop has counted. Written by its thread alone, read by any.
struct LoopCounts {
  std::atomic<std::uint64_t> connections = 0, rings = 0, accepted = 0, refused = 0, calls = 0,
                             replies = 0, errors = 0, declined = 0, undeliverable = 0, expired = 0,
                             cancelled = 0, breaches = 0;
  static void bump(std::atomic<std::uint64_t>& count, std::int64_t by = 1) {
    count.store(count.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(by),
                std::memory_order_relaxed);
  }
};

/// One thread's share of a server: an epoll descriptor, its connections, and the requests on them.
///
/// Threads: all of it belongs to the thread that calls `turn`, except `mailbox` and the counts.
class Loop {
 public:
  /// Errors: no descriptor or memory for its epoll and its bell.
  [[nodiscard]] static Result<std::unique_ptr<Loop>> create(Service& service);
  ~Loop();

  /// Waits until `until` for something to do and does one bounded turn of it. False once a drain
  /// has ended, and in a forked child. From inside its own turn it does nothing: what the outer
  /// turn reads into is in use.
  ///
  /// What is thrown for one connection (there is no memory for what it asks) ends that connection;
  /// nothing is thrown from here.
  bool turn(Moment until);
  /// When `turn` wants to be called though nothing is readable.
  [[nodiscard]] Moment deadline() const;
  [[nodiscard]] int fd() const { return poller_.fd(); }
  [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  /// Connections here or on their way here; any thread.
  [[nodiscard]] std::uint32_t load() const { return load_.load(std::memory_order_relaxed); }
  /// Serves a connection that was expected; of this thread. One that cannot be served is told why.
  void add(Newcomer newcomer);
  void expect_one() { load_.fetch_add(1, std::memory_order_relaxed); }
  void expect_one_less() { load_.fetch_sub(1, std::memory_order_relaxed); }
  /// The loop whose turn runs on this thread; null outside.
  [[nodiscard]] static Loop* current();

  // For its connections.

  [[nodiscard]] Service& service() { return service_; }
  [[nodiscard]] Moment read_clock();
  /// The same for the deadline of a call that has come. The first one that was found in a ring is
  /// judged by when it was found.
  [[nodiscard]] Moment read_clock_for_call() {
    return std::exchange(clock_is_of_arrival_, false) ? clock_ : read_clock();
  }
  [[nodiscard]] std::span<std::byte> input_buffer() { return {input_.get(), input_bytes}; }
  /// Gives room to `bare`, which has none, if there is some to spare: for what is unsent, or for a
  /// frame that is not whole.
  void lend_buffer(Buffer& bare) {
    if (spare_buffers_.empty()) return;
    bare.swap(spare_buffers_.back());
    spare_buffers_.pop_back();
  }
  /// Leaves `used` bare; what it holds is not needed any more.
  void take_back_buffer(Buffer& used);
  [[nodiscard]] RequestState* new_request(std::string_view method);
  /// The payload of `request`, which lies in the caller's memory, is looked at no more.
  [[gnu::noinline]] void end_view(RequestState& request);
  /// The loop lets go of `request`.
  void let_go(RequestState& request);
  /// The handle of `request` does, on the thread of the loop.
  void let_go_of_handle(RequestState& request);
  /// As Service::find; the same method again is found at once.
  [[nodiscard]] const MethodEntry* find(std::string_view method);
  /// Runs the handler for `request`, whose handle is made here.
  void run_handler(RequestState& request);
  /// The same for the messages of `batch`, without a request for each.
  void run_batch_handler(const MethodEntry& entry, Connection& connection,
                         const protocol::IncomingBatch& batch);
  void flush_later(Connection& connection) { to_flush_.push(connection.to_be_flushed); }
  /// There is more to be read than a turn's share: it goes on in the next one.
  void read_later(Connection& connection) { to_read_.push(connection.to_be_read); }
  /// `connection` has a client that waits at its socket: more may come soon.
  void look_at_socket_of(Connection& connection) {
    if (!spins_.always_sleeps()) last_served_ = &connection;
  }
  void look_at_no_socket_of(const Connection& connection) {
    if (last_served_ == &connection) last_served_ = nullptr;
  }
  /// What clients that wait are told: where this loop runs.
  [[nodiscard]] std::uint32_t cpu_to_say() const {
    return spins_.always_sleeps() ? protocol::Session::cpu_unknown : os::current_cpu();
  }
  // Rings: loop_rings.cc.

  /// Has epoll watch the doorbell at which `connection` is rung. False: no memory for it.
  [[nodiscard]] bool watch_doorbell(Connection& connection);
  void unwatch_doorbell(Connection& connection);
  /// There may be something in it, though nobody rings.
  void keep_awake(ServerRing& ring) { awake_.push(ring.awake); }
  /// Looks after the deadline whether the client has offered its memory.
  void await_offer(ServerRing& ring);
  /// Looks after a while whether it lies idle.
  void look_at_ring_later(ServerRing& ring);
  /// From now on every ring without anything in it rings when there is. False: some have something,
  /// and `deadline` is at once.
  bool let_rings_sleep();

  /// Flushes after a rest, for nothing tells when it would succeed.
  void write_later(Connection& connection);
  /// For lines that a peer can bring about: not more than a few a second, without its control
  /// characters.
  void log_about_peer(const std::string& line);
  void watch(Connection& connection, std::uint32_t events);
  void greeted(Connection& connection);
  /// After close(): freed at the end of the turn, when no event of it can be pending.
  void bury(Connection& connection);
  LoopCounts counts;

  /// Room for several whole frames, read ahead and decoded in place. Chosen.
  static constexpr std::size_t input_bytes = 256 * 1024;

 private:
  class Turning;

  // loop.cc
  Loop(Service& service, os::Poller poller, os::Bell bell);
  void dispatch(const epoll_event& event);
  void handle(Connection& connection, std::uint32_t events);
  void end_turn();
  void end_buried();
  /// Runs `step`, which is for `connection` alone. If it throws, what the connection was in the
  /// middle of is lost, so the connection is too; the others go on.
  template <class Step>
  void guard(Connection& connection, Step step) {
    try {
      step();
    } catch (const std::exception& exception) {
      give_up(connection, exception);
    }
  }
  void give_up(Connection& connection, const std::exception& exception) noexcept;
  void note_slow_handler();
  void write_again();

  // loop_connections.cc
  void accept_some();
  void accept_crowd();
  void rest_from_accepting(int error);
  void adopt(Newcomer newcomer, Connection*& adopted);
  void admit(Connection& connection);

  // loop_requests.cc
  void empty_mailbox();
  void take_back(RequestState& request);

  // loop_waiting.cc
  [[nodiscard]] os::Sys<std::span<epoll_event>> wait(Moment until);
  [[nodiscard]] bool is_looking_worthwhile();
  [[nodiscard]] bool look(Moment since, Moment until, os::Sys<std::span<epoll_event>>& events);
  template <class Look>
  [[nodiscard]] bool look_with(Look has_come, unsigned weight, Moment since, Moment until,
                               os::Sys<std::span<epoll_event>>& events);
  [[nodiscard]] bool look_once();
  void read_ready_rings();
  void note_arrival() {
    (void)read_clock();
    clock_is_of_arrival_ = true;
  }
  void charge_look();
  template <class Visit>
  void visit_looked_for(Visit visit);

  [[nodiscard]] Moment next_due() const;

  // loop_rings.cc
  void let_quiet_rings_sleep();
  void look_at_rings(Moment now);
  [[nodiscard]] Moment next_look_at_rings() const;

  // loop_drain.cc
  void begin_drain();
  void drop_listener();
  void close_overdue(Moment now);
  void close_all();
  bool drain_has_ended();

  Service& service_;
  os::Poller poller_;
  std::shared_ptr<Mailbox> mailbox_;
  AlignedBytes input_;
  std::vector<Buffer> spare_buffers_;
  std::vector<epoll_event> events_;
  ConnectionQueue to_flush_;
  ConnectionQueue to_read_;
  SpinBudget spins_;
  Connection* last_served_ = nullptr;   ///< Through its socket, of those that wait there.
  ConnectionQueue awake_;               ///< Those with rings that are not asleep.
  ConnectionQueue granted_;             ///< Those that may offer one, the longest ago first.
  ConnectionQueue looked_at_;           ///< Those with rings, likewise.
  std::unique_ptr<Connection> buried_;  ///< The first of a chain.
  std::vector<std::unique_ptr<Connection>> connections_;
  std::atomic<std::uint32_t> load_ = 0;

  std::list<Handshake> handshakes_;  ///< The oldest first.

  RequestState* free_requests_ = nullptr;
  std::size_t free_requests_count_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t last_accepting_turn_ = 0;
  int accepts_wanted_ = 1;
  Moment accept_again_ = Moment::never();  ///< Accepting rests until then.
  Moment drain_deadline_ = Moment::never();
  ConnectionQueue to_write_later_;
  Moment write_again_ = Moment::never();
  Moment log_again_;  ///< Lines about peers are counted anew from then on.
  unsigned log_lines_ = 0;
  bool listening_ = false;
  bool draining_ = false;
  Moment clock_;
  bool clock_is_of_arrival_ = false;  ///< It was looked at when something was found, just now.
  Moment turn_ended_;  ///< When the last turn ended, if it looked at the clock; or 0.
  const MethodEntry* last_found_ = nullptr;
  const MethodEntry* running_ = nullptr;  ///< Its handler has run since the clock was looked at.
  Moment handler_start_;
};

}  // namespace tincan::session
