#include <mutex>
#include <utility>

#include "base/no_memory.h"
#include "os/clock.h"
#include "session/client_state.h"

// Calls whose payload is handed over, and replies that are.

namespace tincan {

using session::LentHandle;
using session::LentMemory;
using session::LinkCall;
using session::View;

namespace {

Failure given_away() { return Failure(Cause::usage, "this loan was given away before"); }

std::unexpected<Failure> too_large_for_server(std::uint64_t bytes, std::uint64_t most) {
  return std::unexpected(Failure(
      Cause::too_large,
      "a loan of " + std::to_string(bytes) + " bytes; the server takes " + std::to_string(most)));
}

}  // namespace

/// Of a link that is there, or of one that is made.
Result<LentMemory*> Client::State::lend(std::uint64_t bytes, Handover kind) {
  if (kind == Handover::immutable && bytes < options_.loan_bytes_min) {
    return LentMemory::plain(bytes);
  }
  Lock lock(mutex_);
  const auto usable = usable_link(lock, os::now() + options_.deadline);
  if (!usable) return std::unexpected(usable.error());
  Link& link = **usable;
  const session::LoanTerms terms = link.loan_terms();
  const bool shared = kind == Handover::shared_view;
  if (shared && !(terms.lends && terms.shared_views)) {
    return std::unexpected(Failure(Cause::unsupported,
                                   "the server takes no shared views of ours "
                                   "(its ServerOptions::shared_views_from)"));
  }
  if (!terms.lends) {
    const std::uint64_t most = link.payload_bytes_max();
    return bytes > most ? too_large_for_server(bytes, most) : LentMemory::plain(bytes);
  }
  if (bytes > terms.loan_bytes_max) return too_large_for_server(bytes, terms.loan_bytes_max);
  link.ask_to_lend();
  if (!shared) {
    lock.unlock();
    auto memory = LentMemory::make(bytes, kind, {});
    if (memory) (*memory)->close_with_handles();
    return memory;
  }
  const auto pool = link.loans();
  // What would be used again may be released by what is there to be read.
  if (!pool->has(bytes) && link.process()) ring();
  lock.unlock();
  return pool->take(bytes);
}

Result<Loan> Client::State::loan(std::uint64_t bytes, Handover kind) {
  if (is_forked()) return std::unexpected(why_not({}));
  auto memory = lend(bytes, kind);
  if (!memory) return std::unexpected(std::move(memory.error()));
  return Loan(*memory, bytes);
}

Result<Reply> Client::State::call(std::string_view method, const Loan& loan,
                                  const CallOptions& options, bool one_way) {
  if (!may_call(method)) return std::unexpected(why_not(method));
  LentMemory* const memory = loan.memory();
  if (memory == nullptr) return std::unexpected(given_away());
  if (memory->is_plain()) return call(method, loan.bytes(), options, one_way);
  if (auto sealed = memory->seal(); !sealed) return std::unexpected(std::move(sealed.error()));
  LinkCall call;
  call.method = method;
  call.lending.memory = memory;
  call.lent_bytes = loan.size();
  call.one_way = one_way;
  return reply_to(call, options);
}

Result<std::uint64_t> Client::State::submit(std::string_view method, Loan&& loan,
                                            Completion completion, const CallOptions& options) {
  const Loan taken = std::move(loan);
  if (!may_call(method)) return std::unexpected(why_not(method));
  LentMemory* const memory = taken.memory();
  if (memory == nullptr) return std::unexpected(given_away());
  if (auto sealed = memory->seal(); !sealed) return std::unexpected(std::move(sealed.error()));
  auto call = std::make_unique<Submitted>();
  memory->take();
  call->loan = LentHandle(memory);
  if (memory->is_plain()) {
    call->payload = taken.bytes();
  } else {
    call->lending.memory = memory;
    call->lent_bytes = taken.size();
  }
  return submit(std::move(call), method, std::move(completion), options);
}

Result<void> Client::State::await_release(const Loan& loan, Nanoseconds deadline) {
  if (is_forked()) return std::unexpected(why_not({}));
  const Moment until = os::now() + deadline;
  Lock lock(mutex_);
  if (loan.is_released()) return {};
  // On whichever link it is.
  if (link_ && !link_->is_dead()) {
    ++link_->users;
    Link& link = *link_;
    link.wait_for_release(*loan.memory(), lock, until);
    release(link);
  }
  if (loan.is_released()) return {};
  return std::unexpected(Failure(Cause::deadline, "the server has not released the loan"));
}

// Replies.

std::shared_ptr<session::ViewHome> Client::State::make_view_home() {
  if (options_.views_max == 0) return nullptr;
  auto home = std::make_shared<session::ViewHome>();
  home->owner = this;
  home->release = release_view;
  return home;
}

void Client::State::release_view(void* owner, View& view) {
  auto& state = *static_cast<Client::State*>(owner);
  const Lock lock(state.mutex_);
  state.visit_links([&](Link& link) {
    if (!link.is_dead() && link.has_view(view)) link.end_view(view);
  });
  state.watch_links();
}

void session::end_view_of_reply(View* view) {
  unmap_here(*view);
  const auto home = view->home;
  {
    const std::lock_guard lock(home->mutex);
    if (home->owner != nullptr) home->release(home->owner, *view);
  }
  view->drop();
}

// The public face.

Result<Loan> Client::loan(std::uint64_t bytes, Handover kind) {
  return or_no_memory([&] { return state_->loan(bytes, kind); });
}

Result<Reply> Client::call(std::string_view method, const Loan& loan, const CallOptions& options) {
  return or_no_memory([&] { return state_->call(method, loan, options, false); });
}

Result<Reply> Client::call(std::string_view method, Loan&& loan, const CallOptions& options) {
  const Loan taken = std::move(loan);
  return call(method, taken, options);
}

Result<void> Client::send(std::string_view method, const Loan& loan, const CallOptions& options) {
  auto sent = or_no_memory([&] { return state_->call(method, loan, options, true); });
  if (!sent) return std::unexpected(std::move(sent.error()));
  return {};
}

Result<void> Client::send(std::string_view method, Loan&& loan, const CallOptions& options) {
  const Loan taken = std::move(loan);
  return send(method, taken, options);
}

Result<std::uint64_t> Client::submit(std::string_view method, Loan&& loan, Completion completion,
                                     const CallOptions& options) {
  return or_no_memory(
      [&] { return state_->submit(method, std::move(loan), std::move(completion), options); });
}

Result<void> Client::await_release(const Loan& loan, std::chrono::nanoseconds deadline) {
  return or_no_memory([&] { return state_->await_release(loan, deadline); });
}

}  // namespace tincan
