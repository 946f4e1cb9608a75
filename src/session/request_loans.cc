#include <new>
#include <string>
#include <utility>

#include "os/background.h"
#include "session/duplicates.h"
#include "session/loop.h"
#include "session/mailbox.h"
#include "session/request_answer.h"
#include "session/server_state.h"
#include "session/teardown.h"

// Answers that are handed over instead of copied.

namespace tincan {

using session::LentHandle;
using session::LentMemory;
using session::LoanPool;

namespace {

std::unexpected<Failure> too_large_for_caller(std::uint64_t bytes, std::uint64_t most) {
  return std::unexpected(Failure(
      Cause::too_large,
      "a loan of " + std::to_string(bytes) + " bytes; the caller takes " + std::to_string(most)));
}

Result<Loan> loan_of(Result<LentMemory*> memory, std::uint64_t bytes) {
  if (!memory) return std::unexpected(std::move(memory.error()));
  return Loan(*memory, bytes);
}

/// It may be handed over to this caller; otherwise it is copied.
bool is_handed_over(const RequestState& request, const LentMemory& memory) {
  return !memory.is_plain() && request.loans != nullptr &&
         memory.capacity() <= request.loans->terms.loan_bytes_max &&
         (memory.kind() == Handover::immutable || request.loans->terms.shared_views);
}

/// A large immutable answer, given on the loop: it is sealed beside the loop, and posted from there
/// as from any other thread.
struct Parcel {
  RequestState* request;
  RequestState::Answer answer;
};

void seal_and_post(void* argument) {
  const std::unique_ptr<Parcel> parcel(static_cast<Parcel*>(argument));
  RequestState::Answer& answer = parcel->answer;
  if (auto sealed = answer.loan->seal(); !sealed) {
    answer = RequestState::Answer();
    answer.kind = RequestState::Answer::Kind::error;
    answer.reason = wire::Reason::reply_lost;
    answer.text = sealed.error().explain();
  }
  session::post_answer(*parcel->request, std::move(answer));
}

bool seal_apart(RequestState& request, RequestState::Answer& answer) {
  std::unique_ptr<Parcel> parcel(new (std::nothrow) Parcel{&request, std::move(answer)});
  if (!parcel) return false;
  if (!os::run_apart(seal_and_post, parcel.get())) {
    answer = std::move(parcel->answer);
    return false;
  }
  [[maybe_unused]] const Parcel* const of_the_thread = parcel.release();
  return true;
}

bool takes_long_to_seal(const LentMemory& memory) {
  return memory.kind() == Handover::immutable && !memory.is_sealed() &&
         memory.capacity() > session::teardown_bytes_on_loop_max;
}

std::unexpected<Failure> not_taken() {
  return std::unexpected(Failure(Cause::exhausted, "the caller holds as much memory as it takes"));
}

Result<void> hand_over(RequestState& request, RequestState::Answer answer) {
  LentMemory& memory = *answer.loan.get();
  session::Loop* const loop = session::loop_of(request);
  if (loop != nullptr && takes_long_to_seal(memory)) {
    request.answered = true;
    if (seal_apart(request, answer)) return {};
    request.answered = false;
  }
  if (auto sealed = memory.seal(); !sealed) return sealed;
  request.answered = true;
  if (loop == nullptr) {
    session::post_answer(request, std::move(answer));
    return {};
  }
  bool taken = true;
  if (request.connection != nullptr) {
    taken = request.connection->reply_with_loan(request, memory, answer.loan_bytes,
                                                std::move(answer.descriptors));
  } else {
    session::LoopCounts::bump(loop->counts.undeliverable);
  }
  session::answer_delivered(request, *loop);
  if (!taken) return not_taken();
  return {};
}

/// What was sealed before is mapped again, for who is not handed it.
Result<void> reply_with_copy(Request& request, const LentMemory& memory, std::uint64_t bytes,
                             std::span<const Descriptor> descriptors) {
  if (!memory.is_sealed()) return request.reply(memory.bytes().first(bytes), descriptors);
  const auto mapping = memory.map_again();
  if (!mapping) return std::unexpected(mapping.error());
  return request.reply(mapping->bytes().first(bytes), descriptors);
}

}  // namespace

Result<Loan> Request::loan(std::uint64_t bytes, Handover kind) {
  if (state_->mailbox->is_forked()) return session::belongs_to_the_parent();
  LoanPool* const pool = state_->loans.get();
  if (kind == Handover::shared_view) {
    if (pool == nullptr || !pool->terms.shared_views) {
      return std::unexpected(
          Failure(Cause::unsupported,
                  "this caller takes no shared views (ClientOptions::views_max and shared_views), "
                  "or may be lent nothing (ServerOptions::lend_to)"));
    }
    if (bytes > pool->terms.loan_bytes_max)
      return too_large_for_caller(bytes, pool->terms.loan_bytes_max);
    return loan_of(pool->take(bytes), bytes);
  }
  if (pool != nullptr && bytes >= pool->terms.loan_bytes_min &&
      bytes <= pool->terms.loan_bytes_max) {
    return loan_of(pool->make(bytes, kind), bytes);
  }
  if (bytes > state_->reply_bytes_max) return too_large_for_caller(bytes, state_->reply_bytes_max);
  return loan_of(LentMemory::plain(bytes), bytes);
}

Result<void> Request::reply(Loan&& loan, std::span<const Descriptor> descriptors) {
  const Loan taken = std::move(loan);
  return reply(taken, descriptors);
}

Result<void> Request::reply(const Loan& loan, std::span<const Descriptor> descriptors) {
  RequestState& request = *state_;
  if (request.mailbox->is_forked()) return session::belongs_to_the_parent();
  if (request.answered) return session::answered_before();
  LentMemory* const memory = loan.memory();
  if (memory == nullptr) {
    return std::unexpected(Failure(Cause::usage, "this loan was given away before"));
  }
  const bool fits = descriptors.size() <= request.reply_descriptors_max;
  if (request.one_way || !fits || !is_handed_over(request, *memory)) {
    return reply_with_copy(*this, *memory, loan.size(), descriptors);
  }
  auto copies = session::duplicates(descriptors);
  if (!copies) return std::unexpected(std::move(copies.error()));
  RequestState::Answer answer;
  memory->take();
  answer.loan = LentHandle(memory);
  answer.loan_bytes = loan.size();
  answer.descriptors = std::move(*copies);
  return hand_over(request, std::move(answer));
}

void Request::release() {
  RequestState& request = *state_;
  if (request.mailbox->is_forked()) return;
  if (request.view == nullptr) return;
  if (session::Loop* const loop = session::loop_of(request)) return loop->end_view(request);
  session::unmap_here(*request.view);
  request.view_bytes = 0;
}

Result<Loan> Server::loan(std::uint64_t bytes, Handover kind) {
  session::Service& service = *state_->service;
  if (service.is_forked()) {
    return std::unexpected(Failure(
        Cause::forked, "this server belongs to the parent process; listen again after fork()"));
  }
  if (kind == Handover::immutable && bytes < service.own_loans.terms.loan_bytes_min) {
    return loan_of(LentMemory::plain(bytes), bytes);
  }
  return loan_of(service.own_loans.make(bytes, kind), bytes);
}

}  // namespace tincan
