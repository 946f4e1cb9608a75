#pragma once

#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "os/mutex.h"
#include "os/poller.h"
#include "os/process.h"
#include "path/connect.h"
#include "session/link.h"
#include "tincan/client.h"

namespace tincan {

/// How long to wait between attempts to reach a server that has gone: the first time 1 ms, for a
/// restart may take no longer, then up to 50 ms, which a thousand waiting clients do not turn into
/// load. Chosen.
inline constexpr Nanoseconds connect_pause_first = std::chrono::milliseconds(1);
inline constexpr Nanoseconds connect_pause_longest = std::chrono::milliseconds(50);

/// What a client is: the link in use, those that end, and the rules for connecting and sending
/// again.
struct Client::State {
 public:
  /// With `once`, and for addresses that name one connection, there is never a second one.
  State(Address address, const ClientOptions& options, bool once = false);
  ~State();

  /// Makes the first connection.
  [[nodiscard]] Result<void> connect();
  /// Uses `connection`, made elsewhere; see Link for `pump`.
  [[nodiscard]] Result<void> adopt(path::Connection connection, std::function<void()> pump);

  [[nodiscard]] Result<Reply> call(std::string_view method, std::span<const std::byte> payload,
                                   const CallOptions& options, bool one_way);
  /// One way, of messages of up to `largest_bytes`; see OutgoingCall::is_batch. Whether it went
  /// into a ring.
  [[nodiscard]] Result<bool> send_batch(std::string_view method, std::span<std::byte> batch,
                                        std::size_t largest_bytes, const CallOptions& options);
  [[nodiscard]] bool may_call(std::string_view method) const;
  [[gnu::cold, gnu::noinline]] Failure why_not(std::string_view method) const;
  [[nodiscard]] Result<std::uint64_t> submit(std::string_view method,
                                             std::span<const std::byte> payload,
                                             Completion completion, const CallOptions& options);
  void cancel(std::uint64_t number);

  // Memory that is handed over: client_loans.cc.
  [[nodiscard]] Result<Loan> loan(std::uint64_t bytes, Handover kind);
  [[nodiscard]] Result<Reply> call(std::string_view method, const Loan& loan,
                                   const CallOptions& options, bool one_way);
  [[nodiscard]] Result<std::uint64_t> submit(std::string_view method, Loan&& loan,
                                             Completion completion, const CallOptions& options);
  [[nodiscard]] Result<void> await_release(const Loan& loan, Nanoseconds deadline);

  [[nodiscard]] int fd();
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline();
  void process();

  [[nodiscard]] Peer peer();
  [[nodiscard]] const Address& address() const { return address_; }
  [[nodiscard]] std::size_t batch_bytes() const { return options_.batch_bytes; }
  [[nodiscard]] std::uint64_t reconnects();
  [[nodiscard]] std::uint64_t ring_bytes();
  [[nodiscard]] std::string ring_refusal();
  [[nodiscard]] bool is_forked() const { return os::fork_generation() != generation_; }

 private:
  using Lock = std::unique_lock<os::Mutex>;
  using Link = session::Link;

  /// A call that a completion waits for; it owns what a waiting caller would lend.
  struct Submitted : session::LinkCall {
    State* state = nullptr;
    std::uint64_t number = 0;
    Moment waits_until;  ///< Its deadline, or the end of the grace for a verdict.
    std::string method_name;
    std::vector<std::byte> bytes;
    session::LentHandle loan;              ///< In place of them.
    std::vector<Descriptor> kept;          ///< Duplicated for each attempt.
    Link* link = nullptr;                  ///< Null: not begun.
    bool ended_is_known = false;           ///< Its number is in ended_.
    bool told = false;                     ///< The server knows that nobody waits,
    Cause given_up_for = Cause::deadline;  ///< and this is why.
    Completion completion;
  };

  using Submissions = std::map<std::uint64_t, std::unique_ptr<Submitted>>;
  /// Calls whose completions are to be run, in that order. They come here without an allocation.
  using Finished = Submissions;

  /// A process() that runs completions, any of which may destroy the client.
  struct Completing {
    explicit Completing(State& client);
    ~Completing();
    State* state;  ///< Null once the client has gone.
    Completing* next;
    const void* outer;  ///< Whose completions this thread ran before.
  };

  // client_loans.cc
  [[nodiscard]] Result<session::LentMemory*> lend(std::uint64_t bytes, Handover kind);
  static void release_view(void* state, session::View& view);
  [[nodiscard]] std::shared_ptr<session::ViewHome> make_view_home();

  // client.cc
  /// Makes `call`, which has all but what `options` say.
  [[nodiscard]] Result<Reply> reply_to(session::LinkCall& call, const CallOptions& options);
  [[nodiscard]] Moment deadline_of(const CallOptions& options) const;
  [[nodiscard]] [[gnu::always_inline]] bool make(session::LinkCall& call,
                                                 const CallOptions& options);
  [[gnu::noinline]] bool call_again(session::LinkCall& call, const CallOptions& options, Lock& lock,
                                    bool may_go_on);
  [[nodiscard]] [[gnu::always_inline]] bool attempt(session::LinkCall& call,
                                                    std::span<const Descriptor> descriptors,
                                                    Lock& lock, Moment now);
  [[nodiscard]] static bool may_retry(const Failure& failure, bool idempotent);
  /// What the caller is told of the failure that `call` ends with. Not to be called with the lock.
  Failure final(Failure failure, const session::LinkCall& call) const;
  /// The words for it, if its own will not do. May look users up: not to be called with the lock.
  [[nodiscard]] std::optional<std::string> words_for(const Failure& failure,
                                                     std::string_view method) const;

  // client_connect.cc
  [[nodiscard]] Result<Link*> usable_link(Lock& lock, Moment deadline);
  [[nodiscard]] Result<std::unique_ptr<Link>> make_link(path::Connection connection,
                                                        std::function<void()> pump = {});
  [[nodiscard]] Result<void> connect_for_all(Lock& lock, Moment deadline);
  [[nodiscard]] Result<void> connect_and_wait(Lock& lock, Moment deadline);
  [[nodiscard]] Result<void> connect_once(Lock& lock, Moment deadline);
  [[nodiscard]] Result<void> greet(std::unique_ptr<Link> link, Lock& lock, Moment start,
                                   Moment deadline);
  void use(std::unique_ptr<Link> link);
  void tell_who_waits();
  void retire_link();
  void release(Link& link);
  void watch(Link& link);
  void unwatch(Link& link);
  [[nodiscard]] bool may_come_back(const Failure& failure) const;
  /// The one connection there ever was has ended.
  [[nodiscard]] bool is_spent() const { return connects_once_ && connections_ > 0; }
  [[nodiscard]] static Failure spent();
  [[nodiscard]] Failure no_time_left() const;
  void wait_until(Lock& lock, Moment moment);
  /// A sentence about a server that was reached, and gave no link that is ready.
  [[nodiscard]] Failure not_ready(const Link& link, const Failure& why, Nanoseconds waited) const;
  /// The same of one that did not greet.
  [[nodiscard]] static Failure no_greeting(const Failure& why, const Address& address,
                                           Nanoseconds waited);
  template <class Visit>
  void visit_links(Visit visit) {
    if (link_) visit(*link_);
    if (greeting_) visit(*greeting_);
    for (const auto& link : retired_) visit(*link);
  }

  // client_advance.cc
  void advance_connection(Lock& lock, Moment now);
  void advance_greeting(Moment now);
  void connection_failed(const Failure& why, Moment now);

  /// What `call` was answered with.
  [[nodiscard]] static Reply reply_of(session::LinkCall& call) {
    return Reply(call.answer.payload.release(), std::move(call.answer.descriptors),
                 call.view.release(), call.answer.loan.bytes);
  }

  // client_submit.cc
  [[nodiscard]] Result<void> begin(Submitted& call, Link& link);
  static void on_submitted_end(session::LinkCall& ended);
  void note_end(Submitted& call);
  std::exception_ptr run_completions(Finished& finished, Lock& lock);
  static void complete(Submitted& call);
  void watch_links();
  void notice_rings();
  void let_rings_sleep();
  void ring();
  void begin_submitted();
  void take_back_unsent();
  void expire_submitted(Moment now);
  void give_up(Submitted& call, Cause cause, Moment now);
  [[nodiscard]] Finished conclude_ended();

  // client_submit.cc
  [[nodiscard]] Result<std::uint64_t> submit(std::unique_ptr<Submitted> call,
                                             std::string_view method, Completion completion,
                                             const CallOptions& options);

  const Address address_;
  const ClientOptions options_;
  const std::shared_ptr<session::ViewHome> view_home_;  ///< Null: no views are taken.
  const std::uint32_t generation_;
  /// The address names one connection (`fd:`, `systemd:`). When that is closed its number may come
  /// to be somebody else's, so it is never taken a second time.
  const bool connects_once_;
  PayloadPool* const pool_;

  os::Mutex mutex_;
  std::unique_ptr<Link> link_;                  ///< The one for new calls; null: to be connected.
  std::vector<std::unique_ptr<Link>> retired_;  ///< Draining or dead, until their calls have ended.
  bool connecting_ = false;
  std::atomic<std::uint32_t> attempts_ = 0;  ///< To connect; those who wait sleep on it.
  std::uint64_t connections_ = 0;
  Nanoseconds useless_pause_{0};  ///< After the last link that ended and was of no use.
  Moment useless_until_;          ///< The end of that pause: no connecting before.

  // Calls that were submitted.
  std::optional<os::Poller> poller_;
  std::optional<os::Bell> bell_;
  bool rung_ = false;                 ///< The bell; process() has not come since.
  bool processing_ = false;           ///< process() has the lock, and will see what has ended.
  Completing* completing_ = nullptr;  ///< The first of those that the destructor has to tell.
  Submissions submitted_;
  /// The numbers of those that have ended, until process() has seen them. Has room for all.
  std::vector<std::uint64_t> ended_;
  std::uint64_t next_number_ = 1;
  std::unique_ptr<Link> greeting_;  ///< Connected without waiting; its HELLO is awaited.
  Moment greeting_deadline_;
  Moment connect_again_;  ///< Not before.
  Moment connect_give_up_ = Moment::never();
  Nanoseconds connect_pause_{0};
};

}  // namespace tincan
