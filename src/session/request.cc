#include <new>
#include <utility>

#include "os/clock.h"
#include "session/duplicates.h"
#include "session/loop.h"
#include "session/mailbox.h"
#include "session/request_answer.h"
#include "session/request_state.h"

namespace tincan {

using session::Loop;

namespace session {

Loop* loop_of(const RequestState& request) {
  Loop* const loop = Loop::current();
  return loop != nullptr && loop->mailbox() == request.mailbox ? loop : nullptr;
}

void answer_delivered(RequestState& request, Loop& loop) {
  request.delivered = true;
  if (!request.running) loop.let_go(request);
}

void post_answer(RequestState& request, RequestState::Answer answer) {
  request.answer = std::move(answer);
  if (request.mailbox->post(request)) return;
  // Beside the loop, the handle may have gone before.
  if (request.owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete &request;
}

std::unexpected<Failure> belongs_to_the_parent() {
  return std::unexpected(Failure(Cause::forked, "this request is the parent process's to answer"));
}

std::unexpected<Failure> answered_before() {
  return std::unexpected(Failure(Cause::answered, "this request was answered before"));
}

}  // namespace session

using session::answered_before;
using session::belongs_to_the_parent;
using session::loop_of;
using session::post_answer;

namespace {

/// Keeps in reach what a child cannot free.
[[maybe_unused]] RequestState* volatile parents_request = nullptr;

/// Answers with `answer`, which is no reply, and with `text`.
void answer_with(RequestState& request, RequestState::Answer answer, std::string_view text) {
  if (Loop* const loop = loop_of(request)) {
    if (request.connection != nullptr) {
      request.connection->answer(request, answer, text);
    } else {
      session::LoopCounts::bump(loop->counts.undeliverable);
    }
    return session::answer_delivered(request, *loop);
  }
  try {
    answer.text = text;
  } catch (const std::bad_alloc&) {
    // An error without words is better than none.
  }
  post_answer(request, std::move(answer));
}

[[gnu::cold, gnu::noinline]] void fail_with(RequestState& request, wire::Reason reason,
                                            std::int32_t code, std::string_view text) {
  RequestState::Answer answer;
  answer.kind = RequestState::Answer::Kind::error;
  answer.reason = reason;
  answer.code = code;
  answer_with(request, std::move(answer), text);
}

[[gnu::cold, gnu::noinline]] std::unexpected<Failure> left_unread() {
  return std::unexpected(Failure(
      Cause::too_large, "the caller leaves too many bytes of answers unread for one of this size"));
}

/// From a thread that is not the loop's.
[[gnu::noinline]] void post_reply(RequestState& request, std::span<const std::byte> payload,
                                  std::vector<Descriptor>&& descriptors) {
  RequestState::Answer answer;
  answer.payload.append(request.mailbox->pool(), payload);
  answer.descriptors = std::move(descriptors);
  request.answered = true;
  post_answer(request, std::move(answer));
}

/// What is wrong with an answer of that size.
Failure words_for_misfit(const RequestState& request, std::size_t bytes, std::size_t descriptors) {
  if (bytes > request.reply_bytes_max) {
    return Failure(Cause::too_large, "an answer of " + std::to_string(bytes) +
                                         " bytes; the caller takes " +
                                         std::to_string(request.reply_bytes_max));
  }
  return Failure(Cause::unsupported, "an answer with " + std::to_string(descriptors) +
                                         " descriptors; the caller takes " +
                                         std::to_string(request.reply_descriptors_max));
}

}  // namespace

std::unexpected<Failure> session::misfit(RequestState& request, std::size_t bytes,
                                         std::size_t descriptors) {
  Failure wrong = words_for_misfit(request, bytes, descriptors);
  request.answered = true;
  fail_with(request, wire::Reason::reply_lost, 0, wrong.detail());
  return std::unexpected(std::move(wrong));
}

Request::Request(Request&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}

Request& Request::operator=(Request&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Request::~Request() {
  if (state_ == nullptr) return;
  RequestState& request = *state_;
  if (request.mailbox->is_forked()) {
    // Out of reach for good, but not lost: see Server's destructor.
    parents_request = state_;
    return;
  }
  Loop* const loop = loop_of(request);
  if (!request.answered && !request.one_way) {
    if (loop != nullptr && request.running) {
      request.dropped = true;  // it may be thrown out by an exception, which tells why
    } else {
      fail_with(request, wire::Reason::dropped, 0, "the handler dropped the request unanswered");
    }
  }
  if (loop != nullptr) {
    loop->let_go_of_handle(request);
    return;
  }
  if (request.view != nullptr) session::unmap_here(*request.view);
  if (request.owners.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  if (!request.mailbox->post(request)) delete &request;
}

std::string_view Request::method() const { return state_->method; }
std::span<const std::byte> Request::payload() const {
  if (state_->view != nullptr) [[unlikely]]
    return state_->view->bytes().first(state_->view_bytes);
  return state_->payload.bytes();
}
std::vector<Descriptor>& Request::descriptors() { return state_->descriptors; }
const Peer& Request::peer() const { return state_->peer; }
bool Request::one_way() const { return state_->one_way; }

std::optional<std::chrono::steady_clock::time_point> Request::deadline() const {
  return to_time_point(state_->deadline);
}

bool Request::abandoned() const {
  if (state_->abandoned.load(std::memory_order_acquire)) return true;
  return !state_->deadline.is_never() && state_->deadline <= os::now();
}

Result<void> Request::reply(std::span<const std::byte> payload,
                            std::span<const Descriptor> descriptors) {
  RequestState& request = *state_;
  if (request.mailbox->is_forked()) return belongs_to_the_parent();
  if (request.answered) return answered_before();
  std::vector<Descriptor> copies;
  if (!descriptors.empty()) {
    auto duplicated = session::duplicates(descriptors);
    if (!duplicated) return std::unexpected(std::move(duplicated.error()));
    copies = std::move(*duplicated);
  }
  if (request.one_way) {
    request.answered = true;
    return {};
  }
  // What can throw comes before the request counts as answered: it can be tried again then.
  if (!session::fits(request, payload.size(), descriptors.size())) {
    return session::misfit(request, payload.size(), descriptors.size());
  }
  Loop* const loop = loop_of(request);
  if (loop == nullptr) {
    post_reply(request, payload, std::move(copies));
    return {};
  }
  request.answered = true;
  bool put = true;
  if (request.connection != nullptr) [[likely]] {
    put = request.connection->reply(request, payload, std::move(copies));
  } else {
    session::LoopCounts::bump(loop->counts.undeliverable);
  }
  session::answer_delivered(request, *loop);
  if (!put) return left_unread();
  return {};
}

Result<void> Request::fail(std::string_view message, std::int32_t code) {
  if (state_->mailbox->is_forked()) return belongs_to_the_parent();
  if (state_->answered) return answered_before();
  state_->answered = true;
  if (!state_->one_way) fail_with(*state_, wire::Reason::declared, code, message);
  return {};
}

Result<void> Request::decline(std::string_view message) {
  if (state_->mailbox->is_forked()) return belongs_to_the_parent();
  if (state_->answered) return answered_before();
  state_->answered = true;
  if (state_->one_way) return {};
  RequestState::Answer answer;
  answer.kind = RequestState::Answer::Kind::declined;
  answer_with(*state_, std::move(answer), message);
  return {};
}

}  // namespace tincan
