#include <algorithm>
#include <string>
#include <utility>

#include "os/clock.h"
#include "path/access.h"
#include "session/connection.h"
#include "session/loop.h"
#include "session/service.h"

// The calls on a connection: from their arrival to their handlers, their answers, and what they are
// charged.

namespace tincan::session {

void Connection::on_hello() { loop_.greeted(*this); }

/// With what its call brings, and what its caller takes.
inline void Connection::fill(RequestState& request, protocol::IncomingCall& call) {
  request.id = call.id;
  request.payload = std::move(call.payload);
  request.view_bytes = call.loan.bytes;
  request.descriptors = std::move(call.descriptors);
  request.deadline = call.deadline;
  request.one_way = call.one_way;
  if (request.peer.record() != peer_.record()) request.peer = peer_;
  request.reply_bytes_max = session_.peer_hello().payload_bytes_max;
  request.reply_descriptors_max = session_.peer_hello().descriptors_max;
  if (request.loans != loans_) request.loans = loans_;
}

void Connection::on_call(protocol::IncomingCall&& call) {
  Service& service = loop_.service();
  const MethodEntry* const entry = loop_.find(call.method);
  const std::size_t payload_bytes = call.payload.bytes().size();
  const std::size_t descriptors_held = call.descriptors.size();
  const auto turn_away = [&](wire::Reason reason, const std::string& text) {
    session_.fail(call.id, {.reason = reason, .text = text});
    session_.release(payload_bytes, call.one_way, descriptors_held);
    session_.end_loan(call.loan);
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
  HeldView view;
  if (Views::Refusal refusal; call.loan.number != 0 && !open_view(call, view, refusal)) {
    return turn_away(refusal.reason, std::string(refusal.text));
  }
  if (!knows_loans_) find_out_loans();  // may find no memory, as the next may; nothing after that
  RequestState* const request = loop_.new_request(call.method);
  request->view = std::move(view);
  request->entry = entry;
  request->descriptors_held = descriptors_held;
  fill(*request, call);
  request->connection = this;
  request->next = requests_;
  if (requests_ != nullptr) requests_->previous = request;
  requests_ = request;
  session_.tag(call.id, request);
  LoopCounts::bump(loop_.counts.calls);
  loop_.run_handler(*request);
}

bool Connection::on_batch(const protocol::IncomingBatch& batch) {
  const MethodEntry* const entry = loop_.find(batch.method);
  // What is to be turned away is turned away one by one.
  if (entry == nullptr || !entry->batch_handler || !path::admits(entry->allow, peer_)) return false;
  LoopCounts::bump(loop_.counts.calls, batch.messages);
  loop_.run_batch_handler(*entry, *this, batch);
  return true;
}

void Connection::on_expired() { LoopCounts::bump(loop_.counts.expired); }

void Connection::on_cancel(void* tag) {
  auto* const request = static_cast<RequestState*>(tag);
  if (request == nullptr || request->abandoned.exchange(true)) return;
  LoopCounts::bump(loop_.counts.cancelled);
}

void Connection::count_delivery(protocol::Delivery delivery, bool is_error) {
  LoopCounts& counts = loop_.counts;
  if (delivery == protocol::Delivery::gone) return LoopCounts::bump(counts.undeliverable);
  LoopCounts::bump(is_error || delivery != protocol::Delivery::queued ? counts.errors
                                                                      : counts.replies);
}

namespace {

/// Of answers to one client, the last of which is no larger than a request may be.
std::uint64_t kept_bytes_max(const ServerOptions& options) {
  const std::uint64_t largest = std::max(options.payload_bytes_max, limits::payload_bytes_max);
  std::uint64_t most;
  return __builtin_add_overflow(options.outgoing_bytes_max, largest, &most) ? UINT64_MAX : most;
}

/// Why an answer of `bytes` is not kept behind those that are unread.
[[gnu::cold, gnu::noinline]] std::string words_for_loss(std::uint64_t unread, std::uint64_t bytes,
                                                        const ServerOptions& options) {
  const std::uint64_t most = options.outgoing_bytes_max;
  if (unread > most) {
    return "the caller leaves " + std::to_string(unread) + " bytes of answers unread, over the " +
           std::to_string(most) + " that the server keeps for one connection";
  }
  return "an answer of " + std::to_string(bytes) + " bytes is lost: with " +
         std::to_string(unread) + " bytes of answers unread before it, that is over the " +
         std::to_string(kept_bytes_max(options)) + " that the server keeps for one connection";
}

}  // namespace

bool Connection::put_reply(RequestState& request, std::span<const std::byte> payload,
                           std::vector<Descriptor>&& descriptors) {
  const std::uint64_t unread = session_.unsent_bytes();
  const ServerOptions& options = loop_.service().options;
  // How large an answer may be, its caller alone has said.
  if (unread <= options.outgoing_bytes_max && payload.size() <= kept_bytes_max(options) - unread) {
    count_delivery(session_.reply(request.id, payload, std::move(descriptors)), false);
    return true;
  }
  const std::string text = words_for_loss(unread, payload.size(), options);
  count_delivery(session_.fail(request.id, {.reason = wire::Reason::reply_lost, .text = text}),
                 true);
  loop_.log_about_peer("an answer to " + name() + " was lost: " + text);
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

/// `count` is of those that are delivered.
void Connection::put_error(RequestState& request, const wire::Error& error,
                           std::atomic<std::uint64_t>& count) noexcept {
  try {
    borrow_room();
    const bool gone = session_.fail(request.id, error) == protocol::Delivery::gone;
    LoopCounts::bump(gone ? loop_.counts.undeliverable : count);
  } catch (const std::exception&) {
    close();
  }
  if (!receiving_ && !closed_) loop_.flush_later(*this);
}

void Connection::fail(RequestState& request, const wire::Error& error) noexcept {
  put_error(request, error, loop_.counts.errors);
}

void Connection::decline(RequestState& request, std::string_view text) noexcept {
  const wire::Reason reason = reason_to_decline(request);
  const bool speechless = text.empty() && reason == wire::Reason::draining;
  put_error(request, {.reason = reason, .text = speechless ? "the server is stopping" : text},
            loop_.counts.declined);
}

/// The one that is true by now: docs/decisions/0017-declined-requests.md.
wire::Reason Connection::reason_to_decline(const RequestState& request) const {
  // Not the loop's clock, which would take the handler for ended.
  if (!request.deadline.is_never() && request.deadline <= os::now()) return wire::Reason::expired;
  if (request.abandoned.load(std::memory_order_relaxed)) return wire::Reason::cancelled;
  return draining_ ? wire::Reason::draining : wire::Reason::exhausted;
}

void Connection::answer(RequestState& request, RequestState::Answer& answer,
                        std::string_view text) noexcept {
  using Kind = RequestState::Answer::Kind;
  switch (answer.kind) {
    case Kind::reply:
      if (answer.loan) {
        reply_with_loan(request, *answer.loan.get(), answer.loan_bytes,
                        std::move(answer.descriptors));
      } else {
        reply(request, answer.payload.bytes(), std::move(answer.descriptors));
      }
      break;
    case Kind::error:
      fail(request, {.reason = answer.reason, .code = answer.code, .text = text});
      break;
    case Kind::declined:
      decline(request, text);
      break;
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

std::uint64_t over_the_free_bytes(std::uint64_t bytes, const ServerOptions& options) {
  return bytes - std::min(bytes, options.request_bytes_free);
}

/// Rounded up to whole steps, where those can be counted at all.
std::uint64_t in_steps(std::uint64_t bytes, const ServerOptions& options) {
  const std::uint64_t step = options.request_bytes_step;
  const std::uint64_t steps = bytes / step + (bytes % step != 0);
  std::uint64_t rounded;
  return __builtin_mul_overflow(steps, step, &rounded) ? bytes : rounded;
}

}  // namespace

bool Connection::may_hold(std::uint64_t bytes) {
  const ServerOptions& options = loop_.service().options;
  const std::uint64_t needed = over_the_free_bytes(bytes, options);
  if (needed <= charged_bytes_) return true;
  Quota& quota = loop_.service().quota;
  for (const std::uint64_t charge : {in_steps(needed, options), needed}) {
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
  const ServerOptions& options = loop_.service().options;
  const std::uint64_t needed =
      in_steps(over_the_free_bytes(session_.incoming_bytes(), options), options);
  if (needed >= charged_bytes_) return;
  if (needed > 0 && charged_bytes_ - needed <= options.request_bytes_step) return;
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
