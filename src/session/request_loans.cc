#include <new>
#include <string>
#include <utility>

#include "base/no_memory.h"
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

/// An answer in large immutable memory, given on the loop: it is sealed beside the loop, and posted
/// from there as from any other thread.
struct Parcel {
  RequestState* request;
  RequestState::Answer answer;
  bool is_copied;  ///< For a caller that is not handed it.
};

/// In place of the loan, its bytes.
Result<void> copy_sealed(const RequestState& request, RequestState::Answer& answer) {
  const auto mapping = answer.loan->map_again();
  if (!mapping) return std::unexpected(mapping.error());
  answer.payload.append(request.mailbox->pool(), mapping->bytes().first(answer.loan_bytes));
  answer.loan = LentHandle();
  return {};
}

/// In place of what was not sealed.
RequestState::Answer lost_answer(const Failure& why) noexcept {
  RequestState::Answer answer;
  answer.kind = RequestState::Answer::Kind::error;
  answer.reason = wire::Reason::reply_lost;
  try {
    answer.text = why.explain();
  } catch (const std::bad_alloc&) {
    answer.text = "out of memory";  // so short that it needs none
  }
  return answer;
}

/// On a thread of its own, where nobody would catch what it throws.
void seal_and_post(void* argument) noexcept {
  const std::unique_ptr<Parcel> parcel(static_cast<Parcel*>(argument));
  RequestState::Answer& answer = parcel->answer;
  auto ready = or_no_memory([&]() -> Result<void> {
    auto sealed = answer.loan->seal();
    return sealed && parcel->is_copied ? copy_sealed(*parcel->request, answer) : sealed;
  });
  if (!ready) answer = lost_answer(ready.error());
  session::post_answer(*parcel->request, std::move(answer));
}

/// False: it could not be begun, and `answer` is as it was.
bool seal_apart(RequestState& request, RequestState::Answer& answer, bool is_copied) {
  std::unique_ptr<Parcel> parcel(new (std::nothrow) Parcel{&request, std::move(answer), is_copied});
  if (!parcel) return false;
  parcel->answer.loan->give();
  request.answered = true;
  if (os::run_apart(seal_and_post, parcel.get())) {
    [[maybe_unused]] const Parcel* const of_the_thread = parcel.release();
    return true;
  }
  request.answered = false;
  answer = std::move(parcel->answer);
  return false;
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
  if (loop != nullptr && takes_long_to_seal(memory) && seal_apart(request, answer, false)) {
    return {};
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

/// What names the memory until the answer is on the stream.
Result<RequestState::Answer> answer_of(LentMemory& memory, std::uint64_t bytes,
                                       std::span<const Descriptor> descriptors) {
  auto copies = session::duplicates(descriptors);
  if (!copies) return std::unexpected(std::move(copies.error()));
  RequestState::Answer answer;
  memory.take();
  answer.loan = LentHandle(&memory);
  answer.loan_bytes = bytes;
  answer.descriptors = std::move(*copies);
  return answer;
}

/// What was sealed for others is mapped again, for who is not handed it.
Result<void> reply_with_copy(Request& request, RequestState& state, LentMemory& memory,
                             std::uint64_t bytes, std::span<const Descriptor> descriptors) {
  if (state.one_way) return request.reply({}, descriptors);
  if (!memory.is_given()) return request.reply(memory.bytes().first(bytes), descriptors);
  if (!session::fits(state, bytes, descriptors.size())) {
    return session::misfit(state, bytes, descriptors.size());
  }
  if (takes_long_to_seal(memory) && session::loop_of(state) != nullptr) {
    auto answer = answer_of(memory, bytes, descriptors);
    if (!answer) return std::unexpected(std::move(answer.error()));
    if (seal_apart(state, *answer, true)) return {};
  }
  if (auto sealed = memory.seal(); !sealed) return sealed;
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
    return reply_with_copy(*this, request, *memory, loan.size(), descriptors);
  }
  auto answer = answer_of(*memory, loan.size(), descriptors);
  if (!answer) return std::unexpected(std::move(answer.error()));
  return hand_over(request, std::move(*answer));
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
