#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tincan/address.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"
#include "tincan/options.h"
#include "tincan/peer.h"

/// The article's own level: bytes over a Unix stream socket, with a safe path, permissions,
/// credentials, deadlines and descriptors. It talks to any program that uses such sockets. Bytes
/// have no boundaries: what was written in one piece may arrive in several, or several in one. Who
/// wants messages takes `Server` and `Client`.
namespace tincan {

using Deadline = std::optional<std::chrono::nanoseconds>;  ///< From now; none: wait for ever.

/// How much a read brought, and what came with it.
struct Received {
  std::size_t bytes = 0;                ///< 0 with `end` unset cannot happen.
  bool end = false;                     ///< The peer has closed its writing side, or all of it.
  bool reset = false;                   ///< With `end`: it has left bytes of ours unread.
  std::vector<Descriptor> descriptors;  ///< Close-on-exec; only when asked for.
};

/// One connection, both directions.
///
/// Threads: one reader and one writer may run at once; more need a lock of yours. Blocking calls
/// end by their deadline. No SIGPIPE, no EINTR. After fork() the child can only destroy it.
class Stream {
 public:
  /// Connects to `address` and checks who listens there (see ClientOptions::server_uid) before
  /// anything is sent. That it succeeds does not mean that the server will ever accept: the kernel
  /// completes connections on its behalf.
  /// Errors: `no_server` (nobody listens; retry later) · `refused` (permissions, or the listener's
  /// uid) · `deadline` (backlog full until then) · `path` · `usage` · `exhausted`.
  [[nodiscard]] static Result<Stream> connect(const Address& address,
                                              Deadline deadline = limits::connect_deadline,
                                              std::optional<uid_t> server_uid = {});
  [[nodiscard]] static Result<Stream> connect(std::string_view address,
                                              Deadline deadline = limits::connect_deadline,
                                              std::optional<uid_t> server_uid = {});
  /// Two connected ends in this process (socketpair(2)).
  [[nodiscard]] static Result<std::pair<Stream, Stream>> pair();
  /// Takes over a connected AF_UNIX stream socket, whose O_NONBLOCK flag is neither used nor set.
  [[nodiscard]] static Result<Stream> adopt(Descriptor socket);

  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  /// Reads at least one byte, at most `into.size()`, or learns of the end.
  /// A peer that dies with our bytes unread is an end too, after everything it had sent was read;
  /// `reset` tells that once.
  /// Errors: `deadline` (nothing was read: retry) · `closed` · `usage` (`into` is empty).
  /// Cost: one recv(2) when bytes are there; else one poll(2) more.
  [[nodiscard]] Result<Received> read(std::span<std::byte> into, Deadline deadline = {});
  /// The same, accepting up to `descriptors_max` descriptors that come with the bytes.
  /// Errors: also `exhausted` when this process had no room for all of them: those that came are
  /// closed, the bytes are lost, and the stream is to be closed.
  [[nodiscard]] Result<Received> read(std::span<std::byte> into, std::size_t descriptors_max,
                                      Deadline deadline = {});
  /// Writes all of `bytes`; returns once the kernel has them, which is before the peer reads them.
  /// `descriptors` travel with the first byte and need at least one.
  /// Errors: `deadline` and `closed`; detail says how many bytes were written before. Outcome
  /// `not_sent` when that is none, else `unknown`: what is left of the stream is for you to judge.
  [[nodiscard]] Result<void> write(std::span<const std::byte> bytes, Deadline deadline = {},
                                   std::span<const Descriptor> descriptors = {});
  [[nodiscard]] Result<void> write(std::string_view text, Deadline deadline = {});
  /// Half-close: the peer reads the end; reading goes on.
  Result<void> finish();
  /// Closes both directions. Bytes the peer has not read stay readable for it.
  void close();

  [[nodiscard]] const Peer& peer() const;
  /// For your own poll(2); still owned by the stream.
  [[nodiscard]] int fd() const;

  struct State;
  explicit Stream(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// A claimed path (or inherited listener) that accepts connections.
///
/// While it lives no other tincan listener can own the path. Its destruction removes the socket
/// file if, and only if, it is still our own; a file left behind by a crash is replaced by the next
/// `listen`. Threads: several may accept at once. After fork() the child's copy is closed.
class Listener {
 public:
  /// Claims the path, sets its mode and group, and listens.
  /// Errors: `held` (by whom) · `path` (what is in the way, or the chmod that mends the directory)
  /// · `refused` (permissions) · `usage` · `exhausted`.
  [[nodiscard]] static Result<Listener> listen(const Address& address,
                                               const ListenOptions& options = {});
  [[nodiscard]] static Result<Listener> listen(std::string_view address,
                                               const ListenOptions& options = {});

  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  /// Waits for the next connection whose peer the allow-list admits; others are closed unread, and
  /// do not lengthen the wait.
  /// Errors: `deadline` · `exhausted` (out of descriptors or memory: the connection waits in the
  /// backlog; close something and call again. It comes after a rest of ListenOptions::accept_rest,
  /// so a loop that just calls again does not spin) · `closed` (after `close`).
  [[nodiscard]] Result<Stream> accept(Deadline deadline = {});
  /// Removes the path and stops listening; connections already accepted go on.
  void close();
  [[nodiscard]] int fd() const;
  [[nodiscard]] const Address& address() const;

  struct State;
  explicit Listener(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace tincan
