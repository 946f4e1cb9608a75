#pragma once

#include <memory>
#include <vector>

#include "os/result.h"
#include "tincan/address.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"
#include "tincan/options.h"

namespace tincan::path {

/// The owned name of a listening socket: a path, an abstract name, or a socket that was handed to
/// us. docs/decisions/0009-claim-of-a-path.md tells how a path is claimed and why so.
///
/// Threads: `accept` may be called by several; everything else by one at a time. After fork(2) the
/// child's copies of listener and lock are closed already, and the child's claim does nothing.
class Claim {
 public:
  /// Claims `address` and listens. A path is published only once its mode and group are right.
  /// Errors: as Listener::listen. ListenOptions::take_over is the caller's affair: see `adopt`.
  [[nodiscard]] static Result<Claim> make(const Address& address, const ListenOptions& options);

  /// The successor's side of a take-over: `handed` is what `hand_over` gave the living server.
  /// The lock must be the lock file beside the path, and locked; the listener must be the socket at
  /// the path. Mode, group and backlog become those of `options`; after an error they are what they
  /// were, as far as we may set them. Until `keep` the path is the living server's: what becomes of
  /// this claim leaves it as it is.
  /// Errors: `held` when something handed over is not what it should be; `usage`; as `make`.
  [[nodiscard]] static Result<Claim> adopt(const Address& address, const ListenOptions& options,
                                           std::vector<Descriptor> handed);

  Claim(Claim&&) noexcept;
  Claim& operator=(Claim&&) noexcept;
  /// Removes the path (see `remove`), unless it is shared, and closes the listener.
  ~Claim();

  /// The listener, or the connection when `is_connection()`. -1 after `abandon` and in a child.
  [[nodiscard]] int fd() const;
  /// True when `fd:` or `systemd:` named a connected socket: there will be no other.
  [[nodiscard]] bool is_connection() const;
  /// True when the socket was handed to us (`fd:`, `systemd:`) and so has no lock and no path that
  /// we may remove. Connections accepted from an inherited listener are ordinary: the kernel took
  /// their credentials at their own connect(2).
  [[nodiscard]] bool inherited() const;
  /// Gives the connection away; once.
  [[nodiscard]] Descriptor release_connection();

  /// Takes the next connection; EAGAIN when none waits, also when the listener is inherited and
  /// blocking. (Then another process that shares it may still take the connection first and leave
  /// us waiting for the next: the flag that would prevent it belongs to the giver.)
  [[nodiscard]] os::Sys<Descriptor> accept();

  /// Removes the path, if it is still our socket, and releases the lock. The listener stays open,
  /// so that clients already in its backlog can be served. A second call does nothing, and neither
  /// does one while the path is shared.
  void remove();

  // A path is shared from `hand_over`, and from `adopt`, until one of the two takes or keeps it.

  /// Duplicates of listener and lock, for SCM_RIGHTS to a successor, who may change the file's
  /// rights. From now on the path is shared.
  /// Errors: `exhausted`; `unsupported` for a connection.
  [[nodiscard]] Result<std::vector<Descriptor>> hand_over();
  /// The successor did not get them, or has gone: the path is ours again, with the rights that it
  /// had, and the lock names us. Looks no names up, so it may run on a loop.
  /// Errors, of what could not be put back: `system`. The path is ours all the same.
  [[nodiscard]] Result<void> take_back();
  /// The server before us has let the path go.
  void keep();
  /// False: the server before us has taken the path back.
  [[nodiscard]] bool is_named_in_lock() const;
  /// Whom the lock names: "pid 4312 (/usr/bin/appd)".
  [[nodiscard]] std::string holder() const;
  /// Closes everything and leaves path and lock to the successor.
  void abandon();

  struct State;
  explicit Claim(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace tincan::path
