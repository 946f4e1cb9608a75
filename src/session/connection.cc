#include "session/connection.h"

#include <algorithm>
#include <string>
#include <utility>

#include "os/poller.h"
#include "path/access.h"
#include "path/peer.h"
#include "session/loop.h"
#include "session/service.h"

namespace tincan::session {

using protocol::Delivery;

Connection::Connection(Descriptor socket, Peer peer, const protocol::Settings& settings, Loop& loop)
    : channel_(std::move(socket)),
      peer_(std::move(peer)),
      loop_(loop),
      session_(settings, *loop.service().pool, *this),
      accepts_descriptors_(settings.descriptors_max > 0) {}

Connection::~Connection() { path::forget_socket(peer_); }

Moment Connection::now() { return loop_.read_clock(); }

void Connection::handle(std::uint32_t events) {
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) readable_ = true;
  if ((events & ~std::uint32_t{EPOLLOUT | EPOLLIN}) != 0) read_on_ = true;
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) peer_gone_ = true;
  if (readable_) read();
  if (!closed_) flush();
}

void Connection::borrow_room() {
  if (session_.outbox().is_bare()) session_.outbox().lend(loop_.borrow_buffer());
}

void Connection::return_room() {
  protocol::Outbox& outbox = session_.outbox();
  if (outbox.unsent_bytes() == 0 && !outbox.is_bare()) loop_.return_buffer(outbox.reclaim());
}

void Connection::read() {
  if (input_ended_ || !session_.wants_input()) {
    if (peer_gone_) close();
    return;
  }
  const std::size_t kept = unread_.size();
  const std::span<std::byte> buffer = loop_.input_buffer();
  if (kept > 0) std::ranges::copy(unread_, buffer.begin());
  const std::span<std::byte> room = buffer.subspan(kept);
  std::vector<Descriptor> descriptors;
  const auto read = channel_.read(room, accepts_descriptors_ ? &descriptors : nullptr);
  if (!read) {
    readable_ = false;
    if (read.error().code != EAGAIN) close();
    return;
  }
  if (read->bytes == 0) return end_of_input();
  if (read->descriptors_lost) {
    return close(wire::Reason::exhausted, "no room for the descriptors of a call");
  }
  // A read ends early where descriptors came along, although there may be more.
  const bool drained = read->bytes < room.size() && !accepts_descriptors_ && !read_on_;
  if (drained) readable_ = false;
  session_.arrived(std::move(descriptors));
  take(buffer.first(kept + read->bytes));
}

/// Decodes `bytes`, which begin with what was unread, and keeps what is left.
void Connection::take(std::span<const std::byte> bytes) {
  borrow_room();
  receiving_ = true;
  const auto consumed = session_.receive(bytes);
  receiving_ = false;
  if (closed_) return;
  if (!consumed) return breach(consumed.error());
  const auto rest = bytes.subspan(*consumed);
  if (rest.empty()) {
    if (unread_.capacity() > 0) unread_ = {};
  } else {
    unread_.assign(rest.begin(), rest.end());
  }
}

/// Goes on with what was received while the peer had too much with us already. True when some of
/// it could be taken.
bool Connection::resume() {
  if (closed_ || unread_.empty() || !session_.wants_input()) return false;
  const std::vector<std::byte> bytes = std::exchange(unread_, {});
  take(bytes);
  return unread_.size() < bytes.size();
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
  while (session_.has_output() && !closed_ && !cannot_write_ && !writes_later) {
    const auto chunk = session_.output();
    const auto written = channel_.write(chunk.bytes, chunk.descriptors);
    if (written) {
      session_.written(*written);
      continue;
    }
    if (written.error().code == EAGAIN) return;
    if (written.error().code == ETOOMANYREFS) return loop_.write_later(*this);
    // Calls that it sent before it went are still to be read; reading ends in its end.
    cannot_write_ = true;
  }
}

void Connection::flush() {
  do write();
  while (resume());
  if (!closed_ && session_.unsent_bytes() > loop_.service().options.outgoing_bytes_max) {
    close();  // It reads nothing, so there is no use in telling it.
    loop_.log_about_peer("closed a connection of " + name() + ", which leaves its answers unread");
  }
  close_if_finished();
  if (closed_) return;
  return_room();
  const bool wants_input = !input_ended_ && session_.wants_input();
  if (readable_ && wants_input) loop_.read_later(*this);
  std::uint32_t wanted = 0;
  if (wants_input) wanted |= input_events;
  if (!cannot_write_ && !writes_later && session_.unsent_bytes() > 0) wanted |= EPOLLOUT;
  loop_.watch(*this, wanted);
}

void Connection::close_if_finished() {
  if (closed_ || !(input_ended_ || draining_)) return;
  const bool answered = session_.calls_to_answer() == 0;
  if (answered && (cannot_write_ || session_.unsent_bytes() == 0)) close();
}

void Connection::drain() {
  if (!is_greeted()) return close();
  draining_ = true;
  session_.drain();
  flush();
}

void Connection::close(wire::Reason reason, std::string_view text) {
  if (closed_) return;
  session_.say_goodbye({.reason = reason, .text = text});
  const auto chunk = session_.output();
  if (!cannot_write_) [[maybe_unused]]
    const auto last = channel_.write(chunk.bytes, {});
  close();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  session_.end(Failure(Cause::closed));
  for (RequestState* request = requests_; request != nullptr;) {
    RequestState* const next = request->next;
    request->connection = nullptr;
    if (!request->delivered && !request->abandoned.exchange(true)) {
      LoopCounts::bump(loop_.counts.cancelled);
    }
    request->previous = request->next = nullptr;
    request = next;
  }
  requests_ = nullptr;
  loop_.bury(*this);
}

void Connection::on_hello() {
  loop_.greeted(*this);
  if (draining_) session_.drain();
}

void Connection::on_call(protocol::IncomingCall&& call) {
  Service& service = loop_.service();
  const MethodEntry* const entry = loop_.find(call.method);
  const std::size_t payload_bytes = call.payload.bytes().size();
  const std::size_t descriptors_held = call.descriptors.size();
  const auto turn_away = [&](wire::Reason reason, const std::string& text) {
    session_.fail(call.id, {.reason = reason, .text = text});
    session_.release(payload_bytes, call.one_way, descriptors_held);
  };
  if (entry == nullptr) {
    return turn_away(wire::Reason::no_method, service.no_method(call.method));
  }
  if (!path::admits(entry->allow, peer_)) {
    LoopCounts::bump(loop_.counts.refused);
    return turn_away(wire::Reason::refused,
                     std::string(call.method) + ": " + path::refusal(peer_, entry->rules));
  }
  RequestState* const request = loop_.new_request();
  request->id = call.id;
  request->method = call.method;
  request->entry = entry;
  request->payload = std::move(call.payload);
  request->descriptors = std::move(call.descriptors);
  request->descriptors_held = descriptors_held;
  if (request->peer.record() != peer_.record()) request->peer = peer_;
  request->deadline = call.deadline;
  request->one_way = call.one_way;
  request->reply_bytes_max = session_.peer_hello().payload_bytes_max;
  request->reply_descriptors_max = session_.peer_hello().descriptors_max;
  request->connection = this;
  request->next = requests_;
  if (requests_ != nullptr) requests_->previous = request;
  requests_ = request;
  session_.tag(call.id, request);
  LoopCounts::bump(loop_.counts.calls);
  loop_.run_handler(*request);
}

void Connection::on_expired() { LoopCounts::bump(loop_.counts.expired); }

void Connection::on_cancel(void* tag) {
  auto* const request = static_cast<RequestState*>(tag);
  if (request == nullptr || request->abandoned.exchange(true)) return;
  LoopCounts::bump(loop_.counts.cancelled);
}

void Connection::count_delivery(Delivery delivery, bool is_error) {
  LoopCounts& counts = loop_.counts;
  if (delivery == Delivery::gone) return LoopCounts::bump(counts.undeliverable);
  LoopCounts::bump(is_error || delivery != Delivery::queued ? counts.errors : counts.replies);
}

void Connection::reply(RequestState& request, std::span<const std::byte> payload,
                       std::vector<Descriptor>&& descriptors) {
  borrow_room();
  count_delivery(session_.reply(request.id, payload, std::move(descriptors)), false);
  if (!receiving_) loop_.flush_later(*this);
}

void Connection::fail(RequestState& request, const wire::Error& error) {
  borrow_room();
  count_delivery(session_.fail(request.id, error), true);
  if (!receiving_) loop_.flush_later(*this);
}

void Connection::answer(RequestState& request, RequestState::Answer& answer) {
  if (answer.is_error) {
    fail(request, {.reason = answer.reason, .code = answer.code, .text = answer.text});
  } else {
    reply(request, answer.payload.bytes(), std::move(answer.descriptors));
  }
}

void Connection::forget(RequestState& request) {
  (request.previous == nullptr ? requests_ : request.previous->next) = request.next;
  if (request.next != nullptr) request.next->previous = request.previous;
  request.previous = request.next = nullptr;
  session_.release(request.payload.bytes().size(), request.one_way, request.descriptors_held);
  // It may be read from again.
  if (!receiving_ && (watched & EPOLLIN) == 0) loop_.flush_later(*this);
}

}  // namespace tincan::session
