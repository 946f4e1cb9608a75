#include <utility>

#include "os/clock.h"
#include "session/link.h"

// Memory that a link's calls hand over, and that its server hands over as replies.

namespace tincan::session {

LoanTerms Link::loan_terms() const {
  const wire::Hello& hello = session_.peer_hello();
  return {.lends = session_.may_lend(),
          .shared_views = (hello.abilities & wire::ability_shared_views) != 0,
          .loans_max = hello.loans_max,
          .loan_bytes_max = hello.loan_bytes_max};
}

void Link::ask_to_lend() {
  if (session_.lends()) return;
  guard([&] { session_.ask_to_lend(); });
  write();
}

const std::shared_ptr<LoanPool>& Link::loans() {
  if (!loans_) loans_ = std::make_shared<LoanPool>(loan_terms(), nullptr, MemoryBudget::nobody);
  return loans_;
}

/// What is to be said of the memory of `call`, which has everything else. Errors: no descriptor.
Result<void> Link::prepare_loan(LinkCall& call) {
  auto& memory = static_cast<LentMemory&>(*call.lending.memory);
  if (loans_) loans_->take_back([&](const LentMemory& gone) { session_.take_back(&gone); });
  auto lending = memory.lending(call.lent_bytes, !session_.has_lent(&memory), loans_.get());
  if (!lending) return std::unexpected(std::move(lending.error()));
  call.lending = std::move(*lending);
  return {};
}

/// What the server did not take it may take when it is handed over again.
void Link::take_back_refused(const LinkCall& call, const Failure& failure) {
  const bool refused = failure.cause() == Cause::refused || failure.cause() == Cause::exhausted;
  if (refused) session_.take_back(call.lending.memory);
}

void Link::on_loan(std::uint64_t number, const wire::HandedOver& memory, Descriptor&& file) {
  const Descriptor taken = std::move(file);
  views_->add(number, memory, taken);
}

/// `call` was answered with memory of the server's.
void Link::take_view(LinkCall& call) {
  auto opened = views_->open(call.answer.loan.number);
  if (opened) {
    call.view.reset(*opened);
    return;
  }
  // It was run, and what came of it cannot be had.
  call.result.reset();
  const Cause cause =
      opened.error().reason == wire::Reason::exhausted ? Cause::exhausted : Cause::refused;
  call.result =
      std::unexpected(Failure(Outcome::declared, cause, std::string(opened.error().text)));
  session_.end_loan(call.answer.loan);
}

void Link::end_view(const View& view) {
  guard([&] { session_.end_loan({.number = view.number, .bytes = 0}); });
  write();
}

/// Those who wait for it look whether it was theirs.
void Link::on_released() {
  for (LinkCall* call = first_; call != nullptr; call = call->next) {
    if (call->waits_for_release) wake(*call);
  }
}

void Link::wait_for_release(const LentMemory& memory, Lock& lock, Moment deadline) {
  LinkCall waiter;
  waiter.waits_for_release = true;
  join(waiter);
  for (Moment now = os::now(); !memory.is_released() && !dead_ && now < deadline; now = os::now()) {
    wait(&waiter, lock, now, deadline);
  }
  leave(waiter);
}

}  // namespace tincan::session
