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
  if (readable_ || session_.stopped_early()) read();
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
  if (input_ended_) {
    if (peer_gone_) close();
    return;
  }
  if (!session_.wants_input()) {
    // What it sent before it went is read when there is room for it again. Nobody waits any more
    // for the answers that keep it waiting.
    if (!peer_gone_) return;
    for (RequestState* request = requests_; request != nullptr; request = request->next) {
      if (!request->one_way) abandon(*request);
    }
    return;
  }
  if (session_.stopped_early()) return take_unread();
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
  const auto consumed = receive(bytes);
  if (!consumed) return;
  const auto rest = bytes.subspan(*consumed);
  if (rest.empty()) {
    if (unread_.capacity() > 0) unread_ = {};
  } else {
    unread_.assign(rest.begin(), rest.end());
  }
}

/// Goes on with what was received and was more than a turn's share, or than the peer may have with
/// us at once.
void Connection::take_unread() {
  const auto consumed = receive(std::span(unread_).subspan(unread_begin_));
  if (!consumed) return;
  unread_begin_ += *consumed;
  if (session_.stopped_early()) return;
  const auto rest = std::span(unread_).subspan(unread_begin_);
  unread_ = std::vector<std::byte>(rest.begin(), rest.end());
  unread_begin_ = 0;
}

/// How many of `bytes` were taken; none: it is closed.
std::optional<std::size_t> Connection::receive(std::span<const std::byte> bytes) {
  borrow_room();
  receiving_ = true;
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
  while (session_.has_output() && !closed_ && !cannot_write_ && !writes_later.is_queued()) {
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
  if (cannot_write_) drop_output();
}

/// Nobody will read it, and unread answers would keep us from reading what the peer sent before.
void Connection::drop_output() {
  while (session_.has_output()) session_.written(session_.output().bytes.size());
}

void Connection::flush() {
  write();
  close_if_finished();
  if (closed_) return;
  return_room();
  const bool wants_input = !input_ended_ && session_.wants_input();
  if (wants_input && (readable_ || session_.stopped_early())) loop_.read_later(*this);
  std::uint32_t wanted = 0;
  if (wants_input) wanted |= input_events;
  if (!cannot_write_ && !writes_later.is_queued() && session_.unsent_bytes() > 0) {
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

void Connection::on_hello() { loop_.greeted(*this); }

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
    // Nobody gets the words for a one-way call, so they are not made.
    return turn_away(wire::Reason::no_method,
                     call.one_way ? std::string() : service.no_method(call.method));
  }
  if (!path::admits(entry->allow, peer_)) {
    LoopCounts::bump(loop_.counts.refused);
    return turn_away(wire::Reason::refused, call.one_way ? std::string()
                                                         : std::string(call.method) + ": " +
                                                               path::refusal(peer_, entry->rules));
  }
  RequestState* const request = loop_.new_request(call.method);
  request->id = call.id;
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

bool Connection::put_reply(RequestState& request, std::span<const std::byte> payload,
                           std::vector<Descriptor>&& descriptors) {
  const std::uint64_t unread = session_.unsent_bytes();
  const std::uint64_t most = loop_.service().options.outgoing_bytes_max;
  if (unread <= most) {
    count_delivery(session_.reply(request.id, payload, std::move(descriptors)), false);
    return true;
  }
  const std::string text = "the caller leaves " + std::to_string(unread) +
                           " bytes of answers unread, over the " + std::to_string(most) +
                           " that the server keeps for one connection";
  count_delivery(session_.fail(request.id, {.reason = wire::Reason::reply_lost, .text = text}),
                 true);
  loop_.log_about_peer("an answer was lost: " + name() + " leaves too many unread");
  return false;
}

bool Connection::reply(RequestState& request, std::span<const std::byte> payload,
                       std::vector<Descriptor>&& descriptors) noexcept {
  bool put = true;
  try {
    borrow_room();
    put = put_reply(request, payload, std::move(descriptors));
  } catch (const std::exception&) {
    close();
  }
  if (!receiving_ && !closed_) loop_.flush_later(*this);
  return put;
}

void Connection::fail(RequestState& request, const wire::Error& error) noexcept {
  try {
    borrow_room();
    count_delivery(session_.fail(request.id, error), true);
  } catch (const std::exception&) {
    close();
  }
  if (!receiving_ && !closed_) loop_.flush_later(*this);
}

void Connection::answer(RequestState& request, RequestState::Answer& answer) noexcept {
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
  if (charged_bytes_ > 0) settle_charge();
  // It may be read from again.
  if (!receiving_ && (watched & EPOLLIN) == 0) loop_.flush_later(*this);
}

// The server's budget for the bytes of requests: docs/decisions/0015-bytes-of-requests.md.

namespace {

std::uint64_t over_the_free_bytes(std::uint64_t bytes) {
  return bytes - std::min<std::uint64_t>(bytes, limits::request_bytes_free);
}

std::uint64_t in_steps(std::uint64_t bytes) {
  const std::uint64_t steps =
      bytes / limits::request_bytes_step + (bytes % limits::request_bytes_step != 0);
  return steps * limits::request_bytes_step;
}

}  // namespace

bool Connection::may_hold(std::uint64_t bytes) {
  const std::uint64_t needed = over_the_free_bytes(bytes);
  if (needed <= charged_bytes_) return true;
  Quota& quota = loop_.service().quota;
  for (const std::uint64_t charge : {in_steps(needed), needed}) {
    const std::uint64_t more = charge - charged_bytes_;
    if (!quota.charge(*account, more)) continue;
    charged_bytes_ += more;
    return true;
  }
  LoopCounts::bump(loop_.counts.refused);
  return false;
}

/// Gives back what is no longer needed, except for a step that is likely to be needed again.
void Connection::settle_charge() {
  const std::uint64_t needed = in_steps(over_the_free_bytes(session_.incoming_bytes()));
  if (needed >= charged_bytes_) return;
  if (needed > 0 && charged_bytes_ - needed <= limits::request_bytes_step) return;
  loop_.service().quota.discharge(*account, charged_bytes_ - needed);
  charged_bytes_ = needed;
}

/// Requests that handlers hold outlive the connection, and so does what they are charged.
void Connection::keep_charge_of_requests() {
  if (account == nullptr) return;
  Quota& quota = loop_.service().quota;
  for (RequestState* request = requests_; request != nullptr; request = request->next) {
    const std::size_t bytes = request->payload.bytes().size();
    if (bytes == 0) continue;
    quota.charge_orphan(*account, bytes);
    request->account = account;
  }
  quota.discharge(*account, std::exchange(charged_bytes_, 0));
}

}  // namespace tincan::session
