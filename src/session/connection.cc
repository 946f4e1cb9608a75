#include "session/connection.h"

#include <cstring>
#include <string>
#include <utility>

#include "os/clock.h"
#include "os/poller.h"
#include "path/peer.h"
#include "session/loop.h"
#include "session/ring_breach.h"
#include "session/service.h"

namespace tincan::session {

Connection::Connection(Descriptor socket, Peer peer, const protocol::Settings& settings, Loop& loop)
    : channel_(std::move(socket)),
      peer_(std::move(peer)),
      loop_(loop),
      session_(settings, os::realtime_minus_monotonic(), *loop.service().pool, *this),
      accepts_descriptors_(settings.descriptors_max > 0) {}

Connection::~Connection() { path::forget_socket(peer_); }

Moment Connection::now() { return loop_.read_clock_for_call(); }

void Connection::handle(std::uint32_t events) {
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) readable_ = true;
  if ((events & ~std::uint32_t{EPOLLOUT | EPOLLIN}) != 0) read_on_ = true;
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) peer_gone_ = true;
  if (ring_ != nullptr && events != 0) channel_.socket_has_news();
  if (readable_ || session_.stopped_early() || channel_.reads_beside()) read();
  if (!closed_) flush();
}

void Connection::borrow_room() {
  if (session_.outbox().is_bare()) loop_.lend_buffer(session_.outbox().bytes());
}

void Connection::return_room() {
  protocol::Outbox& outbox = session_.outbox();
  if (outbox.unsent_bytes() == 0 && !outbox.is_bare()) loop_.take_back_buffer(outbox.bytes());
}

bool Connection::look() {
  if (!wants_input() || session_.stopped_early()) return false;
  if (!read()) return false;
  if (!closed_) flush();
  return true;
}

/// False when there was nothing to be read.
bool Connection::read() {
  if (input_ended_) {
    if (peer_gone_) close();
    return true;
  }
  if (!session_.wants_input()) {
    // What it sent before it went is read when there is room for it again. Nobody waits any more
    // for the answers that keep it waiting.
    if (!peer_gone_) return true;
    for (RequestState* request = requests_; request != nullptr; request = request->next) {
      if (!request->one_way) abandon(*request);
    }
    return true;
  }
  if (session_.stopped_early()) return take_unread(), true;
  const std::size_t kept = unread_.size();
  const std::span<std::byte> buffer = loop_.input_buffer();
  if (kept > 0) std::memcpy(buffer.data(), unread_.start(), kept);
  const std::span<std::byte> room = buffer.subspan(kept);
  std::vector<Descriptor> descriptors;
  const auto read = channel_.read(room, wants_descriptors() ? &descriptors : nullptr);
  if (!read) {
    readable_ = false;
    if (read.error().code == EAGAIN) return false;
    read.error().code == EPROTO ? breach(ring_breach()) : close();
    return true;
  }
  if (ring_ != nullptr) {
    ring_->used = true;
    ring_->quiet = false;
  }
  if (read->bytes == 0) return end_of_input(), true;
  if (read->descriptors_lost) {
    close(wire::Reason::exhausted, "no room for the descriptors of a call");
    return true;
  }
  // A read ends early where descriptors came along, although there may be more.
  readable_ = read->bytes == room.size() || !descriptors.empty() || read_on_ || read->more ||
              (ring_ != nullptr && !channel_.reads_from_ring());
  session_.arrived(std::move(descriptors));
  take(buffer.first(kept + read->bytes));
  return true;
}

/// Decodes `bytes`, which begin with what was unread, and keeps what is left.
void Connection::take(std::span<const std::byte> bytes) {
  const auto consumed = receive(bytes);
  if (!consumed) return;
  const auto rest = bytes.subspan(*consumed);
  if (rest.empty()) {
    if (unread_.capacity() > 0) loop_.take_back_buffer(unread_);
  } else {
    if (unread_.capacity() == 0) loop_.lend_buffer(unread_);
    unread_.assign(rest);
  }
}

/// Goes on with what was received and was more than a turn's share, or than the peer may have with
/// us at once.
void Connection::take_unread() {
  const auto consumed = receive(unread_.bytes().subspan(unread_begin_));
  if (!consumed) return;
  unread_begin_ += *consumed;
  if (session_.stopped_early()) return;
  Buffer rest;
  rest.append(unread_.bytes().subspan(unread_begin_));
  unread_ = std::move(rest);
  unread_begin_ = 0;
}

/// How many of `bytes` were taken; none: it is closed.
std::optional<std::size_t> Connection::receive(std::span<const std::byte> bytes) {
  borrow_room();
  receiving_ = true;
  if (session_.peer_cpu() != protocol::Session::cpu_unknown && !channel_.reads_beside()) {
    if (!channel_.writes_to_ring()) session_.say_cpu(loop_.cpu_to_say());
    loop_.look_at_socket_of(*this);
  }
  const auto consumed = session_.receive(bytes);
  receiving_ = false;
  if (closed_) return std::nullopt;
  if (!consumed) {
    breach(consumed.error());
    return std::nullopt;
  }
  if (charged_bytes_ > 0) settle_charge();
  return *consumed;
}

void Connection::end_of_input() {
  input_ended_ = true;
  readable_ = false;
  // Half-closed: it makes no more calls, and still wants its answers.
  if (peer_gone_ || cannot_write_) return close();
  close_if_finished();
}

void Connection::breach(const Failure& failure) {
  if (session_.peer_said_goodbye()) return close();
  LoopCounts::bump(loop_.counts.breaches);
  loop_.log_about_peer("closed a connection of " + name() +
                       " for breaking the protocol: " + failure.detail());
  close(wire::Reason::breach, failure.detail());
}

std::string Connection::name() const {
  const auto number = [](auto id) { return id ? std::to_string(*id) : std::string("unknown"); };
  return "pid " + number(peer_.pid()) + ", uid " + number(peer_.uid());
}

void Connection::write() {
  if (channel_.is_returning()) [[maybe_unused]]
    const auto later = channel_.flush();
  // A ring has room, or none, whether somebody is there to read it or not.
  if (peer_gone_ && channel_.writes_to_ring()) cannot_write_ = true;
  while (session_.has_output() && !closed_ && !cannot_write_ && !writes_later.is_queued()) {
    const auto chunk = session_.output();
    if (chunk.bytes.empty()) break;  // what follows goes into the ring
    const auto written = channel_.write(chunk.bytes, chunk.descriptors);
    if (written) {
      session_.written(*written);
      continue;
    }
    if (written.error().code == EAGAIN) return;
    if (os::is_shortage(written.error().code)) return loop_.write_later(*this);
    if (written.error().code == EPROTO) {
      if (!closing_) breach(ring_breach());
      return;
    }
    // Calls that it sent before it went are still to be read; reading ends in its end.
    cannot_write_ = true;
  }
  if (cannot_write_) return drop_output();
  if (ring_ != nullptr && session_.outbox().is_stopped()) move_output();
}

/// Nobody will read it, and unread answers would keep us from reading what the peer sent before.
void Connection::drop_output() {
  while (session_.has_output()) {
    const std::size_t bytes = session_.output().bytes.size();
    if (bytes == 0) session_.outbox().go_on();
    session_.written(bytes);
  }
}

void Connection::flush() {
  write();
  close_if_finished();
  if (closed_) return;
  return_room();
  if (ring_ != nullptr) tend_ring();
  const bool wants = wants_input();
  if (wants && (readable_ || session_.stopped_early())) loop_.read_later(*this);
  std::uint32_t wanted = 0;
  if (wants) wanted |= input_events;
  if (!cannot_write_ && !writes_later.is_queued() &&
      (session_.unsent_bytes() > 0 || channel_.is_returning()) &&
      channel_.waits_for_room_at_socket()) {
    wanted |= EPOLLOUT;
  }
  loop_.watch(*this, wanted);
}

void Connection::close_if_finished() {
  if (closed_ || !(input_ended_ || draining_)) return;
  const bool answered = session_.calls_to_answer() == 0;
  if (answered && (cannot_write_ || session_.unsent_bytes() == 0)) close();
}

void Connection::drain() {
  // Who has not greeted us is told too: its first calls may be on their way.
  draining_ = true;
  session_.drain();
  flush();
}

void Connection::close(wire::Reason reason, std::string_view text) noexcept {
  if (closed_) return;
  closing_ = true;
  try {
    session_.say_goodbye({.reason = reason, .text = text});
    write();
  } catch (const std::exception&) {
    // Without memory for a goodbye there is none.
  }
  close();
}

void Connection::close() noexcept {
  if (closed_) return;
  closed_ = true;
  session_.end(Failure(Cause::closed));
  if (loans_) loans_->close();
  loop_.service().connection_ended(peer_);
  if (ring_ != nullptr) drop_ring();
  // A client that is told of our end still reads what we said last.
  if (draining_) channel_.leave_ring_to_peer();
  keep_charge_of_requests();
  for (RequestState* request = requests_; request != nullptr;) {
    RequestState* const next = request->next;
    request->connection = nullptr;
    abandon(*request);
    request->previous = request->next = nullptr;
    request = next;
  }
  requests_ = nullptr;
  loop_.bury(*this);
}

void Connection::abandon(RequestState& request) {
  if (request.delivered || request.abandoned.exchange(true)) return;
  LoopCounts::bump(loop_.counts.cancelled);
}

void Connection::leave_to_parent() {
  closed_ = true;
  session_.end(Failure(Cause::forked));
}

}  // namespace tincan::session
