#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tincan/address.h"
#include "tincan/failure.h"
#include "tincan/method.h"
#include "tincan/options.h"
#include "tincan/peer.h"

namespace tincan {

class RequestState;

/// One call to be answered, now or later, from any thread.
///
/// Dropped unanswered it is answered with a declared error, so no caller waits for a forgotten
/// request. It may outlive its connection and its server; answering then does nothing. Threads: one
/// request belongs to one thread at a time; hand it on by moving.
class Request {
 public:
  Request(Request&& other) noexcept;
  Request& operator=(Request&& other) noexcept;
  ~Request();

  /// The name that was called; lives as long as the request.
  [[nodiscard]] std::string_view method() const;
  /// The caller's bytes, in memory of our own, or handed over by it; they live as long as the
  /// request, or until `release`. Those of a shared view (ServerOptions::shared_views_from) may
  /// change while you look: copy what you check.
  [[nodiscard]] std::span<const std::byte> payload() const;
  /// A payload that was handed over is looked at no more, and `payload()` is empty from now on: its
  /// sender may use the memory again, and hears so at once on the request's loop, from another
  /// thread when the request is destroyed. A large immutable one is unmapped here, or if this is
  /// the loop, beside it. Nothing happens to a payload that was copied.
  void release();
  [[nodiscard]] std::string_view text() const { return text_of(payload()); }
  /// Descriptors that came with the call, yours to move out.
  [[nodiscard]] std::vector<Descriptor>& descriptors();
  [[nodiscard]] const Peer& peer() const;
  /// When the caller stops waiting, on this machine's CLOCK_MONOTONIC; none: it waits for ever.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const;
  /// True for `Client::send`: nobody waits, and an answer does nothing.
  [[nodiscard]] bool one_way() const;
  /// True once the caller has given up, died, or run past its deadline: nobody will see an answer.
  /// Any thread; one atomic load, and the clock when there is a deadline.
  [[nodiscard]] bool abandoned() const;

  /// Answers with `payload`, copied. On the request's loop the bytes leave when the loop has run
  /// the handlers of this turn; from another thread the loop is woken. Never blocks.
  /// Errors: `answered` (a second answer does nothing) · `too_large` (the caller gets a declared
  /// error instead; also when it leaves too much unread, ServerOptions::outgoing_bytes_max) ·
  /// `unsupported` (descriptors the caller does not accept: likewise) · `forked`. An answer that
  /// cannot be delivered any more is no error; it is counted (`Server::Counts`).
  /// Throws std::bad_alloc when there is no memory for the copy; the request can still be answered.
  Result<void> reply(std::span<const std::byte> payload,
                     std::span<const Descriptor> descriptors = {});
  Result<void> reply(std::string_view text = {}) { return reply(bytes_of(text)); }
  /// Memory to build an answer of `bytes` in. It is lent to whom ServerOptions::lend_to says, and
  /// whose client takes it (ClientOptions::views_max, shared_views); for others an immutable loan
  /// is ordinary memory, and copied like any answer. It is charged to the server until the caller
  /// has released it. Errors: `unsupported` (a shared view for a caller that takes none) ·
  /// `too_large` · `exhausted` (loan_bytes_max, loan_bytes_per_uid_max; the caller has not released
  /// enough; memory) · `forked`. Any thread.
  [[nodiscard]] Result<Loan> loan(std::uint64_t bytes, Handover kind = Handover::immutable);
  /// Answers with a payload that is handed over. When and errors: as `reply`; also `exhausted`: the
  /// caller holds as much as it takes, and gets a declared error instead.
  /// Sealing a large immutable loan takes some 35 ms a GiB: here, or on the loop beside it.
  Result<void> reply(Loan&& loan, std::span<const Descriptor> descriptors = {});
  Result<void> reply(const Loan& loan, std::span<const Descriptor> descriptors = {});
  /// Answers with an error of the application's own: `message` for people, `code` for programs.
  Result<void> fail(std::string_view message, std::int32_t code = 0);
  /// Answers that the request was not run: the caller's outcome is *not sent*, and calling again is
  /// safe. This is the handler's word that nothing was done for the request and that nothing will
  /// be; nobody checks it, and nothing is undone. It is for those who queue requests or pass them
  /// on.
  ///
  /// The caller gets `message` with the cause that is true when the answer is put on the
  /// connection: `deadline` when its deadline has passed, `cancelled` when it has given the call
  /// up, `draining` when the server stops (the client then calls again by itself, which reaches the
  /// successor), else `exhausted` (it does not: the caller may, later).
  /// When it returns, threads and errors: as `fail`. Descriptors that came along are closed with
  /// the request; a one-way call is dropped unsaid.
  Result<void> decline(std::string_view message = {});

  explicit Request(RequestState* state) : state_(state) {}

 private:
  RequestState* state_ = nullptr;
};

using Handler = std::function<void(Request)>;

/// Messages that one client sent one way to one method, in their order: what a Sender collected.
///
/// For `for (std::span<const std::byte> message : batch)`. They lie where they were received and
/// live until the handler returns.
class Batch {
 public:
  /// Those messages, the first of which is at hand.
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = std::span<const std::byte>;
    Iterator() = default;
    [[nodiscard]] std::span<const std::byte> operator*() const { return message_; }
    Iterator& operator++() {
      if (--left_ > 0) next();
      return *this;
    }
    Iterator operator++(int) {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    [[nodiscard]] bool operator==(const Iterator& other) const { return left_ == other.left_; }

   private:
    friend class Batch;
    /// The next one begins with its length.
    void next() {
      const std::byte* const at = message_.data() + message_.size();
      std::uint32_t length;
      std::memcpy(&length, at, sizeof length);
      message_ = {at + sizeof length, length};
    }

    std::span<const std::byte> message_;
    std::size_t left_ = 0;
  };

  [[nodiscard]] Iterator begin() const {
    Iterator first;
    first.left_ = messages_;
    first.message_ = has_lengths_ ? bytes_.first(0) : bytes_;
    if (has_lengths_) first.next();
    return first;
  }
  [[nodiscard]] Iterator end() const { return {}; }
  /// How many there are: 1 or more.
  [[nodiscard]] std::size_t size() const { return messages_; }
  [[nodiscard]] std::string_view method() const { return method_; }
  [[nodiscard]] const Peer& peer() const { return *peer_; }
  /// That of the sender, which has not passed yet; see Request::deadline.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const {
    return deadline_;
  }

  /// The one message of `request`.
  explicit Batch(const Request& request)
      : Batch(request.method(), request.peer(), request.deadline(), request.payload(), 1, false) {}
  /// `bytes`: each message behind its length in four bytes; or one message without.
  Batch(std::string_view method, const Peer& peer,
        std::optional<std::chrono::steady_clock::time_point> deadline,
        std::span<const std::byte> bytes, std::size_t messages, bool has_lengths)
      : method_(method),
        peer_(&peer),
        deadline_(deadline),
        bytes_(bytes),
        messages_(messages),
        has_lengths_(has_lengths) {}

 private:
  std::string_view method_;
  const Peer* peer_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::span<const std::byte> bytes_;
  std::size_t messages_;
  bool has_lengths_;
};

using BatchHandler = std::function<void(const Batch&)>;

/// Serves methods at an address.
///
/// It has no thread: whoever calls `run()` drives it, or an event loop of yours through `fd()`. It
/// handles thousands of connections at once, and one that stalls delays no other. A handler runs on
/// the loop of its connection, one at a time; one that takes long keeps its loop's other clients
/// waiting, so move such requests to threads of your own and answer from there.
///
/// Methods called `tincan.…` are ours: `tincan.ping` answers with what it was sent, copied,
/// `tincan.methods` lists names, `tincan.stats` and `tincan.health` tell how the server is.
///
/// After fork() the child's copy is dead: it closes its descriptors and touches nothing else.
class Server {
 public:
  /// Claims the address and listens; clients may connect from now on and wait for `run()`.
  /// An inherited connection (`fd:` of a connected socket) is served alone, and ends `run()`.
  ///
  /// With ServerOptions::take_over, where a server that lets us has the path: on return we have its
  /// listener and the file has our rights, and that server serves on. The first turn of `run()` or
  /// `process()` tells it to stop, and waits for nothing; until it does both take connections, each
  /// of which is served by one of them. If this process ends before that, is told to `stop()`, or
  /// destroys the server, the other one goes on and puts the file's rights back. If the other one
  /// ends meanwhile, the path is ours.
  /// Errors: as Listener::listen; `held` also when another take-over is under way.
  [[nodiscard]] static Result<Server> listen(const Address& address,
                                             const ServerOptions& options = {});
  [[nodiscard]] static Result<Server> listen(std::string_view address,
                                             const ServerOptions& options = {});

  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  /// Ends at once: connections close, unanswered calls end as *unknown* at their callers, the path
  /// is removed. No `run()` may be under way.
  ~Server();

  /// Adds a method, before the server runs for the first time. A name is 1 …
  /// limits::method_bytes_max bytes and not `tincan.…`; the second `on` for a name replaces the
  /// first. `allow` narrows who may call this one method.
  ///
  /// A handler that throws, or drops its request, makes a declared error for the caller. What it
  /// throws goes no further.
  void on(std::string_view method, Handler handler, AllowList allow = {});
  /// The same for a method that takes a stream of messages: many in one run of the handler, in
  /// their order, and without the copy and the request that each costs `on`. Messages that a Sender
  /// sent come so, one sent by `Client::send` alone. A `call` is such a batch of one too: it is
  /// answered, with nothing, when the handler has returned, so a client can wait until all was
  /// taken.
  ///
  /// A handler that is not done with a batch when it returns has to copy it. One that throws loses
  /// the rest of its batch; only a caller is told.
  void on_batch(std::string_view method, BatchHandler handler, AllowList allow = {});
  /// Takes the calls whose method has no handler of its own; `Request::method()` is then the name
  /// that was called. For gateways and the like: with it, no name is wrong.
  void on_any(Handler handler, AllowList allow = {});
  /// A typed method: `handler` takes the decoded value and returns what is sent back, or a Failure,
  /// whose detail and code the caller gets as a declared error.
  template <class In, class Out, class Function>
  void on(const Method<In, Out>& method, Function handler, AllowList allow = {});

  /// Serves until `stop()`. Each thread that calls it runs a loop of its own; a connection stays on
  /// one loop, and loops share the connections evenly.
  /// Errors: `exhausted` or `system` when a loop cannot be set up · `forked` in a child, also in
  /// one that a handler has forked and returned in · `held` when the server that we took over from
  /// has taken the path back: it lives, and the connection to it broke.
  [[nodiscard]] Result<void> run();
  /// Starts the drain: the path is given free, no new connection or call is taken, calls under way
  /// have until ServerOptions::drain_deadline to be answered, then `run()` returns in every thread.
  /// Async-signal-safe; any thread; more than once is once.
  void stop();
  /// True once the drain has begun, by `stop()` or because a successor took the path over. Requests
  /// that still wait for their turn may be declined then. Any thread.
  [[nodiscard]] bool draining() const;

  // For an event loop of your own: poll fd() for events() until deadline(), then call process().

  /// One epoll descriptor for the server's life; readable when there is something to process.
  [[nodiscard]] int fd() const;
  /// What to poll for: always POLLIN.
  [[nodiscard]] short events() const;
  /// When process() wants to be called though nothing is readable; none: no need. After a take-over
  /// it wants to be called at once, for the other server waits for our first turn.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const;
  /// Does what there is to do, runs handlers, and returns without waiting. One turn is bounded: a
  /// busy server leaves fd() readable, or a deadline() that has passed, and wants another call.
  /// Returns false once a drain has ended: there is nothing left to process; and where `run()`
  /// would fail as `held`, which the log then says.
  bool process();

  [[nodiscard]] const Address& address() const;

  /// As Request::loan, before there is a request, and for answers to several: each that it is given
  /// to hands it over, or copies it where it may not be. Any thread.
  [[nodiscard]] Result<Loan> loan(std::uint64_t bytes, Handover kind = Handover::immutable);

  struct Counts {
    std::uint64_t connections = 0;    ///< Now.
    std::uint64_t rings = 0;          ///< Connections that have a ring now.
    std::uint64_t accepted = 0;       ///< Connections so far.
    std::uint64_t refused = 0;        ///< Connections and calls that a rule or quota turned away.
    std::uint64_t calls = 0;          ///< Handed to handlers so far, one-way included.
    std::uint64_t replies = 0;        ///< Answers put on a connection.
    std::uint64_t errors = 0;         ///< Declared errors put on a connection.
    std::uint64_t declined = 0;       ///< Answers that the request was not run, likewise.
    std::uint64_t undeliverable = 0;  ///< Answers that came after their caller had gone.
    std::uint64_t expired = 0;        ///< Calls whose deadline had passed before they were run.
    std::uint64_t cancelled = 0;      ///< Calls given up by their callers while under way.
    std::uint64_t breaches = 0;       ///< Connections closed because the peer broke the protocol.
  };
  /// A snapshot over all loops; any thread.
  [[nodiscard]] Counts counts() const;

  struct State;
  explicit Server(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

template <class In, class Out, class Function>
void Server::on(const Method<In, Out>& method, Function handler, AllowList allow) {
  on(
      method.name,
      [handler = std::move(handler)](Request request) {
        const auto in = Codec<In>::decode(request.payload());
        if (!in) {
          request.fail("the payload is not what this method takes");
          return;
        }
        const Result<Out> result = handler(*in);
        if (!result) {
          const std::string message =
              result.error().detail().empty() ? result.error().explain() : result.error().detail();
          request.fail(message, result.error().code());
          return;
        }
        std::vector<std::byte> out;
        Codec<Out>::encode(*result, out);
        request.reply(out);
      },
      std::move(allow));
}

}  // namespace tincan
