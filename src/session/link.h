#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/aligned.h"
#include "base/no_memory.h"
#include "base/payload.h"
#include "base/time.h"
#include "os/mutex.h"
#include "os/poller.h"
#include "protocol/session.h"
#include "session/call_result.h"
#include "session/client_ring.h"
#include "session/lent_memory.h"
#include "session/views.h"
#include "session/waiting.h"
#include "tincan/options.h"
#include "tincan/peer.h"
#include "transport/moving_channel.h"

namespace tincan::session {

/// A call on a link: one that a thread waits for, or one that a completion waits for.
struct LinkCall : protocol::OutgoingCall {
  CallResult result;               ///< Set when it has ended.
  HeldView view;                   ///< Where the answer lies; null: in `answer`.
  std::uint64_t lent_bytes = 0;    ///< Of `lending`: of the payload.
  bool waits_for_release = false;  ///< It is no call.
  bool goes_into_ring = false;     ///< Set of a batch.
  /// An earlier attempt of an idempotent call ended as *unknown*: it never ends as *not sent*.
  bool may_have_run = false;

  /// Called with the lock held when the call ends; null for a call that a thread waits for.
  void (*ended)(LinkCall& call) = nullptr;

  // Of the thread that waits.
  enum Word : std::uint32_t { awake, asleep, woken };
  std::atomic<std::uint32_t> word = awake;
  LinkCall* previous = nullptr;
  LinkCall* next = nullptr;
};

/// One connection of a client, from HELLO to its end; it never connects again.
///
/// Any number of threads wait for calls on it, and one of them, the reader, waits at the socket for
/// all; the others sleep each on a word of its own. A reader whose call has ended wakes a sleeper,
/// who reads on. When the socket is full the reader also waits for room, so that two sides which
/// both write never wait for each other; while it sleeps for bytes alone, one more thread waits for
/// room, and hands that on likewise.
///
/// Threads: every member is called with the client's lock held, which those that wait let go
/// meanwhile.
class Link final : private protocol::Events {
 public:
  using Lock = std::unique_lock<os::Mutex>;

  /// `pump`, when set, is run in place of waiting: it makes the server in this very thread work.
  Link(Descriptor socket, Peer peer, const ClientOptions& options, PayloadPool& pool,
       std::function<void()> pump, std::shared_ptr<ViewHome> view_home);
  ~Link() override;

  /// Waits for the server's HELLO; ours goes out first. Then for a ring, if there has to be one.
  /// Errors: why there is none. The link is dead then.
  [[nodiscard]] Result<void> greet(Lock& lock, Moment deadline);
  /// Makes `call` and waits for its end, at most until `deadline` and the grace for a verdict.
  /// `now` is a moment ago: the clock is not looked at again before the first wait.
  void run(LinkCall& call, Lock& lock, Moment now, Moment deadline);
  /// A call is about to be started: so many in so short a time are worth a ring. `run` counts its
  /// own.
  void count_call(Moment now) {
    if (ring_ == nullptr) consider_ring(now);
  }
  /// Begins `call` without waiting; unless `write_now`, a later `write` is due.
  /// Errors: as Session::start.
  [[nodiscard]] Result<void> start(LinkCall& call, bool write_now = true);
  /// Writes what can be, without waiting.
  void write() {
    const bool nothing_to_write = !session_.has_output() && !channel_.is_returning();
    if (nothing_to_write && !session_.outbox().is_stopped()) return;
    write_all();
  }
  /// As Session::give_up.
  [[nodiscard]] bool give_up(LinkCall& call);
  void abandon(LinkCall& call);
  /// Ends `call` as not sent if this link can write nothing more and had not written it whole.
  bool take_back(LinkCall& call);
  /// Reads and writes what can be, without waiting. True: there may be more to read.
  [[nodiscard]] bool process();

  [[nodiscard]] bool greeted() const { return !session_.expects_hello(); }
  /// Calls may be made on it.
  [[nodiscard]] bool is_ready() const { return greeted() && (!insists() || ring_bytes() > 0); }
  /// No further call can be made on it.
  [[nodiscard]] bool is_dead() const { return dead_; }
  /// It takes no new calls.
  [[nodiscard]] bool is_over() const {
    return dead_ || cannot_write_ || session_.peer_is_draining();
  }
  /// The server reads nothing more, and may still answer what it has read.
  [[nodiscard]] bool cannot_write() const { return cannot_write_; }
  [[nodiscard]] bool wants_to_write() const;
  /// There is room in the socket to be waited for. That in a ring it is rung for.
  [[nodiscard]] bool wants_room_at_socket() const {
    return wants_to_write() && !rests() && channel_.waits_for_room_at_socket();
  }
  /// It does not write for a while though it wants to: see `write_again`.
  [[nodiscard]] bool rests() const;
  [[nodiscard]] Moment write_again() const { return write_again_; }
  [[nodiscard]] int fd() const { return channel_.fd(); }
  [[nodiscard]] bool has_ring() const { return channel_.has_ring(); }
  /// `watcher` says that the server has rung, or that the socket is readable.
  void notice(bool rung);
  /// What `watcher` says of the doorbell has this bit set in its tag.
  static constexpr std::uintptr_t doorbell_bit = 1;
  /// Has `watcher` watch the doorbell of its ring. False: no memory for it.
  bool watch_doorbell();
  void unwatch_doorbell();
  /// From now on its ring, if it has one, rings when there is something. False: there is now.
  [[nodiscard]] bool let_ring_sleep();
  /// Both directions use a ring, of so many bytes each; 0: they do not.
  [[nodiscard]] std::size_t ring_bytes() const {
    return channel_.writes_to_ring() && channel_.reads_from_ring() ? channel_.capacity_bytes() : 0;
  }
  /// Why there is no ring, if somebody said so.
  [[nodiscard]] const std::string& ring_refusal() const { return ring_refusal_; }
  /// Some call was answered on it, or sent one way.
  [[nodiscard]] bool was_of_use() const { return of_use_; }
  [[nodiscard]] const Peer& peer() const { return peer_; }
  /// Why it died.
  [[nodiscard]] const std::optional<Failure>& death() const { return death_; }

  // Memory that is handed over: link_loans.cc.

  /// The largest payload that the server takes without.
  [[nodiscard]] std::uint64_t payload_bytes_max() const {
    return session_.peer_hello().payload_bytes_max;
  }
  /// The server takes memory, shared views too, or nothing.
  [[nodiscard]] LoanTerms loan_terms() const;
  /// For the first loan, so that the server is ready when it is built.
  void ask_to_lend();
  /// The pool of its shared views.
  [[nodiscard]] const std::shared_ptr<LoanPool>& loans();
  /// `loan` is released, the link dead, or it is `deadline`.
  void wait_for_release(const LentMemory& memory, Lock& lock, Moment deadline);
  [[nodiscard]] bool has_view(const View& view) const { return views_ && views_->has(view); }
  void end_view(const View& view);

  // Of the client.
  std::uint32_t users = 0;        ///< Threads and calls that need it.
  std::uint32_t watched = 0;      ///< What epoll watches for.
  os::Poller* watcher = nullptr;  ///< Where it is watched, with its doorbell.

 private:
  Moment now() override;
  void on_hello() override;
  void on_call(protocol::IncomingCall&&) override {}  // HELLO says that none are taken
  void on_cancel(void*) override {}
  void on_end(protocol::OutgoingCall& outgoing, Failure* failure) override;
  void on_drain() override {}
  void on_loan(std::uint64_t number, const wire::HandedOver& memory, Descriptor&& file) override;
  void on_loan_over(std::uint64_t number) override { views_->end(number); }
  void on_released() override;
  const char* on_upgrade(std::uint64_t id, const wire::Upgrade& step,
                         std::vector<Descriptor>&& descriptors) override;

  // link_ring.cc
  void consider_ring(Moment now);
  void ask_for_ring();
  /// It is of no use without a ring.
  [[nodiscard]] bool insists() const { return ring_options_.transport == Transport::ring; }
  void offer_ring(std::size_t capacity_bytes);
  [[nodiscard]] Result<void> make_ring(std::size_t capacity_bytes);
  [[nodiscard]] Result<Descriptor> make_bells();
  const char* take_acceptance(std::vector<Descriptor>&& descriptors);
  void take_refusal(Failure why);
  void give_ring_up(Failure why);
  void move_output();
  void tend_ring();

  // link_growth.cc
  void consider_growth();
  [[nodiscard]] bool may_grow(Moment now) const;
  void ask_for_larger_ring();
  const char* take_word_of_larger(const wire::Upgrade& step);
  void leave_ring();

  // link_ring.cc
  void read_ring_for_all(const LinkCall* call, Lock& lock, Moment until);
  [[nodiscard]] bool read_ring();
  [[nodiscard]] bool look_at_ring(Lock& lock, Moment until);
  void sleep_at_ring(Lock& lock, Moment until);
  void kick_reader();
  [[nodiscard]] Result<void> prepare_loan(LinkCall& call);
  void take_back_refused(const LinkCall& call, const Failure& failure);
  [[gnu::noinline]] void take_view(LinkCall& call);
  [[nodiscard]] bool wants_descriptors() const { return accepts_descriptors_ || ring_ != nullptr; }

  void wait(LinkCall* call, Lock& lock, Moment now, Moment until);
  void read_for_all(const LinkCall* call, Lock& lock, Moment now, Moment until);
  os::Sys<transport::Channel::Read> look_at_socket(Moment until, bool with_descriptors);
  void wait_for_room(LinkCall& call, Lock& lock, Moment until);
  static void sleep(LinkCall& call, Lock& lock, Moment until);
  static bool wake(LinkCall& call);
  bool wake_sleeper();
  os::Sys<transport::Channel::Read> read_waiting(Moment now, Moment until, bool for_room,
                                                 bool with_descriptors);
  os::Sys<transport::Channel::Read> read_now(bool with_descriptors);
  std::span<std::byte> input_room();
  void set_timeout(Moment now, Moment until);
  void ring_room_waiter();
  void take(os::Sys<transport::Channel::Read> read);
  void decode();
  void prepare_batch(LinkCall& call);
  void finish_after_deadline(LinkCall& call, Lock& lock, Moment now);
  void write_all();
  void write_some();
  void stop_writing();
  void die(Failure why);
  /// Runs `step`, which changes the session. If memory runs out half way through, what the session
  /// was in the middle of is lost, and so is the link.
  template <class Step>
  void guard(Step step) noexcept {
    try {
      step();
    } catch (const std::bad_alloc&) {
      die(no_memory());
    }
  }
  void join(LinkCall& call);
  void leave(LinkCall& call);

  transport::MovingChannel channel_;
  std::unique_ptr<Views> views_;     ///< What the server has handed over; null: it may not.
  std::shared_ptr<LoanPool> loans_;  ///< Of what it is lent; made when first needed.
  std::unique_ptr<ClientRing> ring_;
  Peer peer_;
  const bool accepts_descriptors_;
  const Nanoseconds verdict_grace_;
  const protocol::Settings settings_;
  protocol::Session session_;
  std::function<void()> pump_;

  // Whether it asks for a ring.
  struct RingOptions {
    Transport transport;
    std::uint64_t bytes;
    std::uint64_t bytes_max;
    std::uint32_t after_calls;
    std::uint32_t after_fills;
    Nanoseconds window;
  };
  const RingOptions ring_options_;
  std::uint32_t calls_ = 0;  ///< Since `calls_since_`.
  Moment calls_since_;
  std::uint64_t rings_asked_for_ = 0;
  Moment ask_again_;  ///< Not before.
  Nanoseconds ring_pause_{0};
  SpinBudget spins_;
  const std::uint32_t stream_buffer_bytes_;
  std::string ring_refusal_;          ///< Why there is none, in the words of the last refusal.
  std::optional<Failure> ring_lack_;  ///< Why there is none, and so no link.

  bool dead_ = false;
  bool cannot_write_ = false;
  bool of_use_ = false;
  bool is_for_streams_ = false;  ///< A Sender has used it: its socket has a larger buffer.
  Moment write_again_;
  std::optional<Failure> death_;

  // The waiting threads.
  bool reading_ = false;  ///< Somebody waits at the socket, or takes from it.
  LinkCall* first_ = nullptr;
  LinkCall* last_ = nullptr;
  LinkCall* room_waiter_ = nullptr;    ///< Waits for room, beside the reader.
  std::optional<os::Bell> room_bell_;  ///< Wakes it. Made when first needed.

  /// Room for a whole frame and as much again, so that replies which arrive together are read
  /// together. Pages that are never touched cost nothing. Chosen, not tuned.
  static constexpr std::size_t input_bytes =
      2 * (limits::body_bytes_max + sizeof(wire::FrameHeader));

  // Input that is not decoded yet: [in_begin_, in_end_) of in_.
  AlignedBytes in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::vector<Descriptor> arriving_;
  Nanoseconds timeout_{0};  ///< SO_RCVTIMEO as it is; 0: none.
};

}  // namespace tincan::session
