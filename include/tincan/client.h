#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tincan/address.h"
#include "tincan/failure.h"
#include "tincan/method.h"
#include "tincan/options.h"
#include "tincan/peer.h"

namespace tincan {

class PayloadBlock;
class Sender;
namespace session {
class View;
}

/// What a handler answered.
///
/// Its memory is recycled by the client when the reply is destroyed; a reply may outlive the
/// client. One that the server has handed over (ClientOptions::views_max) is released then: the
/// server is told, with one send(2), and a large immutable one is unmapped, which takes its time
/// here.
class Reply {
 public:
  Reply() = default;
  Reply(Reply&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        view_(std::exchange(other.view_, nullptr)),
        view_bytes_(other.view_bytes_),
        generation_(other.generation_),
        descriptors_(std::move(other.descriptors_)) {}
  Reply& operator=(Reply&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(view_, other.view_);
    std::swap(view_bytes_, other.view_bytes_);
    std::swap(generation_, other.generation_);
    std::swap(descriptors_, other.descriptors_);
    return *this;
  }
  ~Reply() {
    if (block_ != nullptr || view_ != nullptr) recycle();
  }

  /// Lives as long as the reply.
  [[nodiscard]] std::span<const std::byte> payload() const;
  [[nodiscard]] std::string_view text() const { return text_of(payload()); }
  /// Descriptors that came along (ClientOptions::descriptors_max), yours to move out.
  [[nodiscard]] std::vector<Descriptor>& descriptors() { return descriptors_; }

  Reply(PayloadBlock* block, std::vector<Descriptor>&& descriptors, session::View* view = nullptr,
        std::uint64_t view_bytes = 0);

 private:
  void recycle();

  PayloadBlock* block_ = nullptr;
  session::View* view_ = nullptr;
  std::uint64_t view_bytes_ = 0;
  std::uint32_t generation_ = 0;  ///< Of the process that it was received in.
  std::vector<Descriptor> descriptors_;
};

/// Calls the methods of one server.
///
/// Thread-safe: calls from many threads share one connection and overtake each other. There is no
/// hidden thread: whoever waits for a reply reads for the others too. When the server restarts, the
/// next call connects again. A call is sent a second time only if it was *not sent*, or *unknown*
/// and marked idempotent, and only within its deadline.
///
/// After fork() the child's copy is dead: its calls fail as `forked`, and the parent's connection
/// is not disturbed. Destroying the copy, and assigning a client of the child's own to it, is safe.
class Client {
 public:
  /// Connects, checks who the server is, and waits for its HELLO.
  /// Errors: `no_server` · `refused` (which rule) · `not_tincan` (somebody accepts and says
  /// something else, or nothing) · `deadline` · `path` · `usage` · `exhausted`. With
  /// Transport::ring also, when there is no ring: `exhausted` (the server's limits, our
  /// RLIMIT_MEMLOCK) · `unsupported` (the server or the kernel has none).
  [[nodiscard]] static Result<Client> connect(const Address& address,
                                              const ClientOptions& options = {});
  [[nodiscard]] static Result<Client> connect(std::string_view address,
                                              const ClientOptions& options = {});

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  /// Closes the connection at once. No call may be under way in another thread; what was submitted
  /// and not completed is forgotten, its completion destroyed unrun.
  ~Client();

  /// Calls `method` with `payload` (borrowed until it returns) and waits for the answer.
  ///
  /// Ends in exactly one of: a reply; or a Failure with the outcome `declared` (the handler's own
  /// error), `not_sent` (the server cannot have run it) or `unknown` (it may have).
  /// Returns at the deadline, + ClientOptions::verdict_grace for the server's word whether the call
  /// was run; the server is told that the caller gave up.
  /// Errors: see Cause; `too_large` and `usage` are found before a byte is sent. Lack of memory is
  /// `exhausted` too, and no exception; it may cost the calls under way their connection.
  /// Cost: one send(2), one recv(2); no allocation once buffers have grown; payload copied once
  /// each way beside the kernel's copies.
  [[nodiscard]] Result<Reply> call(std::string_view method, std::span<const std::byte> payload,
                                   const CallOptions& options = {});
  [[nodiscard]] Result<Reply> call(std::string_view method, std::string_view text = {},
                                   const CallOptions& options = {}) {
    return call(method, bytes_of(text), options);
  }
  /// The same with types. Errors: also `breach`, outcome `unknown`, when the answer is not an Out.
  template <class In, class Out>
  [[nodiscard]] Result<Out> call(const Method<In, Out>& method, const std::type_identity_t<In>& in,
                                 CallOptions options = {});

  /// Sends one way: no answer, no error from the handler. Returns once the kernel has every byte,
  /// in order with the other calls of this thread; that the server read them is not known.
  /// Errors: as `call`; blocks while the server does not read, until the deadline.
  [[nodiscard]] Result<void> send(std::string_view method, std::span<const std::byte> payload,
                                  const CallOptions& options = {});
  [[nodiscard]] Result<void> send(std::string_view method, std::string_view text = {},
                                  const CallOptions& options = {}) {
    return send(method, bytes_of(text), options);
  }

  /// Makes a Sender of one-way messages to `method`, which borrows this client and must not outlive
  /// it. A deadline in `options` is that of each batch; they take no descriptors.
  /// Errors: `usage` (the name; descriptors) · `exhausted` (memory) · `forked`.
  [[nodiscard]] Result<Sender> sender(std::string_view method, const CallOptions& options = {});

  // Large payloads, handed over instead of copied.

  /// Memory to build a payload of `bytes` in, for one of the calls below. Connects again if there
  /// is no connection, within ClientOptions::deadline.
  ///
  /// Immutable: for any server. Under ClientOptions::loan_bytes_min, and for a server that takes no
  /// memory, it is ordinary memory and is copied when it is sent. A shared view: for a server that
  /// lets us (ServerOptions::shared_views_from); one that was released on this connection is given
  /// out again.
  /// Errors: `unsupported` (which option) · `too_large` · `exhausted` (the server has not released
  /// enough; memory) · as `call` where it has to connect.
  /// Cost: new memory is allocated and touched, some 350 ms a GiB here; used again: none.
  [[nodiscard]] Result<Loan> loan(std::uint64_t bytes, Handover kind = Handover::immutable);
  /// As the others, with a payload that is handed over. Refused by the server (`refused`, not run)
  /// where it does not believe in the memory, and `exhausted` where it holds too much already.
  /// Sealing a large immutable loan takes its time here: some 35 ms a GiB. One that is given away
  /// (Loan&&) is freed before this returns if the server is done with it already: 60 to 100 ms a
  /// GiB. Keep it (const Loan&) to say when.
  [[nodiscard]] Result<Reply> call(std::string_view method, Loan&& loan,
                                   const CallOptions& options = {});
  [[nodiscard]] Result<Reply> call(std::string_view method, const Loan& loan,
                                   const CallOptions& options = {});
  [[nodiscard]] Result<void> send(std::string_view method, Loan&& loan,
                                  const CallOptions& options = {});
  [[nodiscard]] Result<void> send(std::string_view method, const Loan& loan,
                                  const CallOptions& options = {});
  /// Waits until `loan` is released, at most so long; reads for all meanwhile, as a call does.
  /// Errors: `deadline` · `forked`.
  [[nodiscard]] Result<void> await_release(const Loan& loan, std::chrono::nanoseconds deadline);

  // Without blocking, from an event loop of your own: poll fd() for events() until deadline(), then
  // call process(), which runs the completions.

  using Completion = std::move_only_function<void(Result<Reply>)>;
  /// Starts a call and returns; `payload` is copied, descriptors are duplicated. `completion` runs
  /// once, inside a later process() on the thread that calls it, never inside submit().
  /// The number names the call for `cancel`.
  /// Errors: `usage` (no completion, too), `too_large`, `exhausted` (memory): found at once, and
  /// then none will run.
  [[nodiscard]] Result<std::uint64_t> submit(std::string_view method,
                                             std::span<const std::byte> payload,
                                             Completion completion,
                                             const CallOptions& options = {});
  /// The same with a payload that is handed over; a loan that stays yours must not be destroyed
  /// before the completion has run.
  [[nodiscard]] Result<std::uint64_t> submit(std::string_view method, Loan&& loan,
                                             Completion completion,
                                             const CallOptions& options = {});
  /// Gives a submitted call up; it completes as `cancelled`. Nothing happens when it has completed.
  void cancel(std::uint64_t call);
  /// One epoll descriptor for the client's life, made at the first use.
  /// Errors: -1 when the process has no descriptor free.
  [[nodiscard]] int fd();
  /// What to poll for: always POLLIN.
  [[nodiscard]] short events() const;
  /// When process() wants to be called though nothing is readable; none: no need.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const;
  /// Reads, writes, connects again and runs completions, without waiting. A completion may destroy
  /// the client. When one throws, the others of this process() still run, and then the first
  /// exception leaves it; the client is none the worse.
  void process();

  /// Who the server is, of the present connection.
  [[nodiscard]] Peer peer() const;
  [[nodiscard]] const Address& address() const;
  /// How often a connection was made again after the first.
  [[nodiscard]] std::uint64_t reconnects() const;
  /// The size of the ring that carries the present connection, each way; 0: the socket carries it.
  [[nodiscard]] std::uint64_t ring_bytes() const;
  /// Why there is no ring although one was asked for, or none larger; empty: none was, or it was
  /// granted. In the server's words, its control characters replaced by dots.
  [[nodiscard]] std::string ring_refusal() const;

  struct State;
  explicit Client(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// Sends many messages one way to one method: collected in a buffer, and written together.
///
/// Between `flush` and `flush` it touches neither lock nor clock nor kernel: that is what makes a
/// stream of small messages ten and more times as fast as `Client::send`. Nothing is held back on
/// its own account: what is added waits for `flush`, or until ClientOptions::batch_bytes (half of
/// them for a ring) are together, and what is sent does not wait.
///
/// Messages of a Sender keep their order, also with other calls of the same thread. A server takes
/// them best with `Server::on_batch`; any other handler gets them one by one.
///
/// Threads: one at a time; several Senders share a client.
class Sender {
 public:
  Sender(Sender&& other) noexcept;
  Sender& operator=(Sender&& other) noexcept;
  /// As `flush`, but nobody hears of a failure.
  ~Sender();

  /// Adds a message, which is copied. When there is no room for it, what was added before goes out
  /// first, as by `flush`. One that no batch has room for goes out at once, by itself.
  /// Errors: as `flush`; `message` was not added then.
  Result<void> add(std::span<const std::byte> message) {
    const std::size_t bytes = length_bytes + message.size();
    if (bytes > full_bytes_ - used_bytes_ || messages_ == limits::batch_messages_max) {
      return add_after_flush(message);
    }
    put(message);
    return {};
  }
  Result<void> add(std::string_view text) { return add(bytes_of(text)); }
  /// Sends what was added. Returns once the kernel, or the ring, has every byte; that the server
  /// read them is not known.
  /// Errors: as `Client::call`. They are about all that was added since the last flush, which is
  /// gone then: with the outcome `not_sent` none of it was handed to the server, else part of it
  /// may have been. `too_large` when a message is larger than the server takes.
  /// Cost: one lock, one look at the clock, and one write; none when nothing was added.
  Result<void> flush();
  /// Adds `message` and flushes: for what should not wait.
  Result<void> send(std::span<const std::byte> message);
  Result<void> send(std::string_view text) { return send(bytes_of(text)); }

  Sender(Client::State& client, std::string_view method, const CallOptions& options);

 private:
  static constexpr std::size_t length_bytes = sizeof(std::uint32_t);
  void put(std::span<const std::byte> message) {
    std::byte* const at = batch_ + used_bytes_;
    const auto length = static_cast<std::uint32_t>(message.size());
    std::memcpy(at, &length, sizeof length);
    if (length > 0) std::memcpy(at + sizeof length, message.data(), length);
    used_bytes_ += length_bytes + length;
    ++messages_;
    if (length > largest_bytes_) largest_bytes_ = length;
  }
  Result<void> add_after_flush(std::span<const std::byte> message);
  Result<void> send_alone(std::span<const std::byte> message);
  Result<void> send_one_by_one();
  void clear();

  Client::State* client_;
  std::string method_;
  CallOptions options_;
  std::size_t batch_bytes_;  ///< The most that is collected,
  std::size_t full_bytes_;   ///< and where the last ones went.
  std::unique_ptr<std::byte[]> memory_;
  std::byte* batch_;  ///< In `memory_`, behind room for what goes before a batch.
  std::size_t used_bytes_ = 0;
  std::size_t messages_ = 0;
  std::size_t largest_bytes_ = 0;
};

template <class In, class Out>
Result<Out> Client::call(const Method<In, Out>& method, const std::type_identity_t<In>& in,
                         CallOptions options) {
  options.idempotent = options.idempotent || method.options.idempotent;
  std::vector<std::byte> bytes;
  Codec<In>::encode(in, bytes);
  const auto reply = call(method.name, std::span<const std::byte>(bytes), options);
  if (!reply) return std::unexpected(reply.error());
  auto out = Codec<Out>::decode(reply->payload());
  if (!out) {
    return std::unexpected(Failure(Outcome::unknown, Cause::breach,
                                   std::string(method.name) + " answered with something else"));
  }
  return std::move(*out);
}

}  // namespace tincan
