#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

#include "base/fail.h"
#include "bytes/stream_state.h"
#include "os/clock.h"
#include "os/poller.h"
#include "os/shortage.h"
#include "path/access.h"
#include "path/claim.h"
#include "path/peer.h"

namespace tincan {

namespace {

/// What `fd:` of a connection leads to: one stream, once.
Result<Stream> only_connection(path::Claim& claim) {
  Descriptor socket = claim.release_connection();
  if (!socket) return fail(Cause::closed, "there was one connection, and it is taken");
  return Stream::adopt(std::move(socket));
}

}  // namespace

/// A claim that several threads accept from, until one of them closes it.
struct Listener::State {
  State(Address where, const ListenOptions& options, path::Claim owned, os::Bell rung)
      : address(std::move(where)),
        allow(options.allow),
        accept_rest(options.accept_rest),
        claim(std::make_shared<path::Claim>(std::move(owned))),
        closing(std::move(rung)) {}

  std::shared_ptr<path::Claim> current();
  Result<Stream> accept(path::Claim& from, Moment deadline);
  std::unexpected<Failure> rest(Moment deadline, int error);
  void close();

  const Address address;
  const AllowList allow;
  const std::chrono::milliseconds accept_rest;
  std::mutex mutex;
  /// Guarded by `mutex`; null once closed. Every accept holds it, so its descriptor cannot become
  /// somebody else's in between.
  std::shared_ptr<path::Claim> claim;
  os::Bell closing;  ///< Rung once and for ever: wakes all who wait.
  std::uint32_t generation = os::fork_generation();
};

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

Result<Listener> Listener::listen(const Address& address, const ListenOptions& options) {
  if (options.take_over) {
    return fail(Cause::unsupported, "a byte listener cannot take a path over; a Server can");
  }
  if (options.accept_rest.count() <= 0) {
    return fail(Cause::usage,
                "accept_rest is not over 0: a loop without free descriptors would spin");
  }
  auto closing = os::Bell::create();
  if (!closing) return fail(Cause::exhausted, "eventfd", closing.error().code);
  auto claim = path::Claim::make(address, options);
  if (!claim) return std::unexpected(claim.error());
  return Listener(
      std::make_unique<State>(address, options, std::move(*claim), std::move(*closing)));
}

Result<Listener> Listener::listen(std::string_view address, const ListenOptions& options) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return listen(*parsed, options);
}

std::shared_ptr<path::Claim> Listener::State::current() {
  if (generation != os::fork_generation()) return nullptr;
  const std::lock_guard lock(mutex);
  return claim;
}

Result<Stream> Listener::accept(Deadline deadline) {
  if (state_->generation != os::fork_generation()) return fail(Cause::forked);
  const auto claim = state_->current();
  if (!claim) return fail(Cause::closed, "the listener is closed");
  return state_->accept(*claim, bytes::until(deadline));
}

Result<Stream> Listener::State::accept(path::Claim& from, Moment deadline) {
  if (from.is_connection()) return only_connection(from);
  while (true) {
    std::array<pollfd, 2> awaited = {pollfd{from.fd(), POLLIN, 0}, pollfd{closing.fd(), POLLIN, 0}};
    const auto ready = os::wait_for(awaited, deadline);
    if (!ready) return fail(Cause::system, "poll", ready.error().code);
    if (awaited[1].revents != 0) return fail(Cause::closed, "the listener is closed");
    if (*ready == 0) return fail(Cause::deadline, "nobody connected in the time given");

    auto socket = from.accept();
    if (socket) {
      Peer peer = path::peer_of(socket->get(), false);
      if (path::admits(allow, peer)) {
        return Stream(std::make_unique<Stream::State>(std::move(*socket), std::move(peer)));
      }
    } else {
      const int error = socket.error().code;
      if (os::is_shortage(error)) return rest(deadline, error);
      const bool somebody_else_was_faster = error == EAGAIN;
      const bool client_has_gone = error == ECONNABORTED || error == EPERM;
      if (!somebody_else_was_faster && !client_has_gone) {
        return fail(Cause::system, "accept", error);
      }
    }
    // Who is refused, or goes, again and again does not keep us beyond the deadline.
    if (os::now() >= deadline) return fail(Cause::deadline, "nobody admitted connected in time");
  }
}

/// The connection stays in the backlog and the listener readable: a caller that came back at once
/// would spin.
std::unexpected<Failure> Listener::State::rest(Moment deadline, int error) {
  const Moment end = std::min(deadline, os::now() + accept_rest);
  [[maybe_unused]] const auto closed_meanwhile = os::wait_for(closing.fd(), POLLIN, end);
  return fail(Cause::exhausted,
              address.text() + " cannot take the next connection: " + os::describe_shortage(error),
              error);
}

void Listener::State::close() {
  if (generation != os::fork_generation()) return;
  std::shared_ptr<path::Claim> last;
  {
    const std::lock_guard lock(mutex);
    last.swap(claim);
  }
  if (!last) return;
  closing.ring();
  last->remove();
}

void Listener::close() { state_->close(); }

int Listener::fd() const {
  const auto claim = state_->current();
  return claim ? claim->fd() : -1;
}

const Address& Listener::address() const { return state_->address; }

}  // namespace tincan
