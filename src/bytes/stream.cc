#include <string>

#include "base/fail.h"
#include "bytes/stream_state.h"
#include "os/poller.h"
#include "os/socket.h"
#include "path/connect.h"
#include "path/peer.h"
#include "tincan/method.h"

namespace tincan {

namespace {

std::unexpected<Failure> system(const char* call, int error) {
  return fail(os::is_shortage(error) ? Cause::exhausted : Cause::system, call, error);
}

/// Whether the stream may be used at all.
Result<void> usable(const Stream::State& state) {
  if (state.generation != os::fork_generation()) return fail(Cause::forked);
  if (!state.socket) return fail(Cause::closed, "the stream was closed");
  return {};
}

bool is_end(int error) { return error == ECONNRESET || error == EPIPE; }

/// Reads what is there, with or without the descriptors that came along. The end is 0 bytes, also
/// that of a peer that died; `reset` then tells that it left bytes of ours unread.
os::Sys<os::Arrival> take(int socket, std::span<std::byte> into, bool with_descriptors,
                          Received& received) {
  os::Sys<os::Arrival> arrival;
  if (with_descriptors) {
    arrival = os::receive(socket, into, received.descriptors, os::Mode::do_not_wait);
  } else if (const auto count = os::receive(socket, into, os::Mode::do_not_wait)) {
    arrival = os::Arrival{.bytes = *count};
  } else {
    arrival = std::unexpected(count.error());
  }
  if (arrival || !is_end(arrival.error().code)) return arrival;
  received.reset = arrival.error().code == ECONNRESET;
  return os::Arrival();
}

/// A write that ended early: how much of it the kernel has.
std::unexpected<Failure> unfinished(Cause cause, const char* why, std::size_t written,
                                    std::size_t all, int error = 0) {
  Failure failure(cause,
                  std::string(why) + " after " + std::to_string(written) + " of " +
                      std::to_string(all) + " bytes were written",
                  error);
  if (written > 0) failure.with_outcome(Outcome::unknown);
  return std::unexpected(std::move(failure));
}

}  // namespace

void Stream::State::close() {
  path::forget_socket(peer);
  socket.reset();
}

Stream::Stream(std::unique_ptr<State> state) : state_(std::move(state)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

Result<Stream> Stream::connect(const Address& address, Deadline deadline,
                               std::optional<uid_t> server_uid) {
  auto connection = path::connect(address, bytes::until(deadline), server_uid);
  if (!connection) return std::unexpected(connection.error());
  return Stream(
      std::make_unique<State>(std::move(connection->socket), std::move(connection->peer)));
}

Result<Stream> Stream::connect(std::string_view address, Deadline deadline,
                               std::optional<uid_t> server_uid) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return connect(*parsed, deadline, server_uid);
}

Result<std::pair<Stream, Stream>> Stream::pair() {
  auto ends = os::stream_socket_pair();
  if (!ends) return system("socketpair", ends.error().code);
  auto one = adopt(std::move(ends->first));
  auto other = adopt(std::move(ends->second));
  if (!one) return std::unexpected(one.error());
  if (!other) return std::unexpected(other.error());
  return std::pair(std::move(*one), std::move(*other));
}

Result<Stream> Stream::adopt(Descriptor socket) {
  const auto stream = os::is_unix_stream(socket.get());
  if (!stream || !*stream) return fail(Cause::usage, "the descriptor is no Unix stream socket");
  const auto listening = os::is_listening(socket.get());
  if (!listening || *listening) return fail(Cause::usage, "the socket is a listener");
  Peer peer = path::peer_of(socket.get(), true);
  return Stream(std::make_unique<State>(std::move(socket), std::move(peer)));
}

Result<Received> Stream::read(std::span<std::byte> into, Deadline deadline) {
  return read(into, 0, deadline);
}

Result<Received> Stream::read(std::span<std::byte> into, std::size_t descriptors_max,
                              Deadline deadline) {
  if (auto ready = usable(*state_); !ready) return std::unexpected(ready.error());
  if (into.empty()) return fail(Cause::usage, "reading takes a buffer");
  const Moment end = bytes::until(deadline);
  const int socket = state_->socket.get();
  while (true) {
    Received received;
    const auto arrival = take(socket, into, descriptors_max > 0, received);
    if (arrival) {
      if (arrival->truncated || received.descriptors.size() > descriptors_max) {
        return fail(Cause::exhausted, "more descriptors came than there was room for");
      }
      received.bytes = arrival->bytes;
      received.end = arrival->bytes == 0;
      return received;
    }
    if (arrival.error().code != EAGAIN) return system("recv", arrival.error().code);
    const auto events = os::wait_for(socket, POLLIN, end);
    if (!events) return system("poll", events.error().code);
    if (*events == 0) return fail(Cause::deadline, "nothing came in the time given");
  }
}

Result<void> Stream::write(std::span<const std::byte> bytes, Deadline deadline,
                           std::span<const Descriptor> descriptors) {
  if (auto ready = usable(*state_); !ready) return ready;
  if (bytes.empty() && !descriptors.empty()) {
    return fail(Cause::usage, "descriptors travel with at least one byte");
  }
  if (descriptors.size() > limits::message_descriptors_max) {
    return fail(Cause::too_large, std::to_string(descriptors.size()) +
                                      " descriptors; Linux takes " +
                                      std::to_string(limits::message_descriptors_max));
  }
  std::vector<int> numbers;
  for (const Descriptor& descriptor : descriptors) numbers.push_back(descriptor.get());
  const Moment end = bytes::until(deadline);
  std::size_t written = 0;
  while (written < bytes.size()) {
    const auto sent =
        os::send(state_->socket.get(), bytes.subspan(written), numbers, os::Mode::do_not_wait);
    if (sent) {
      written += *sent;
      numbers.clear();
      continue;
    }
    const int error = sent.error().code;
    if (is_end(error)) return unfinished(Cause::closed, "the peer left", written, bytes.size());
    if (error != EAGAIN) {
      const Cause cause = os::is_shortage(error) ? Cause::exhausted : Cause::system;
      return unfinished(cause, "send failed", written, bytes.size(), error);
    }
    const auto events = os::wait_for(state_->socket.get(), POLLOUT, end);
    if (!events) return system("poll", events.error().code);
    if (*events == 0) {
      return unfinished(Cause::deadline, "the peer took no more", written, bytes.size());
    }
  }
  return {};
}

Result<void> Stream::write(std::string_view text, Deadline deadline) {
  return write(bytes_of(text), deadline);
}

Result<void> Stream::finish() {
  if (auto ready = usable(*state_); !ready) return ready;
  const auto shut = os::shutdown(state_->socket.get(), SHUT_WR);
  if (shut) return {};
  if (shut.error().code == ENOTCONN) return fail(Cause::closed);
  return system("shutdown", shut.error().code);
}

void Stream::close() { state_->close(); }

const Peer& Stream::peer() const { return state_->peer; }

int Stream::fd() const { return state_->socket.get(); }

}  // namespace tincan
