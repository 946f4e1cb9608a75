#include <string>
#include <utility>

#include "protocol/excess.h"
#include "protocol/session.h"

// Memory that is handed over in place of payloads, in both directions. docs/wire-format.md,
// *Handing over*.

namespace tincan::protocol {

using wire::Kind;

// Ours.

void Session::ask_to_lend() {
  if (peer_takes_loans_ || std::exchange(asked_to_lend_, true)) return;
  put_bare(Kind::handover, 0);
}

bool Session::may_begin_lending(const Lending& lending) {
  if (!peer_takes_loans_) {
    ask_to_lend();
    return false;
  }
  return has_lent(lending.memory) || loans_->out.size() < peer_.loans_max;
}

/// Why the peer would not take it, as far as that can be known beforehand.
Result<void> Session::refusal_to_lend(const Lending& lending) {
  if (!may_lend()) {
    return std::unexpected(
        Failure(Cause::unsupported, "the other side takes no memory that is handed over"));
  }
  const bool shared = lending.kind == Handover::shared_view;
  if (shared && (peer_.abilities & wire::ability_shared_views) == 0) {
    return std::unexpected(Failure(Cause::unsupported, "the other side takes no shared views"));
  }
  if (lending.capacity > peer_.loan_bytes_max) {
    return std::unexpected(
        Failure(Cause::too_large, excess("memory of ", lending.capacity,
                                         " bytes; the other side takes ", peer_.loan_bytes_max)));
  }
  if (loans_ != nullptr && !has_lent(lending.memory) && loans_->out.size() >= peer_.loans_max) {
    return std::unexpected(
        Failure(Cause::exhausted, "the other side has not released what it was lent: " +
                                      std::to_string(peer_.loans_max) + ", as many as it takes"));
  }
  return {};
}

LoansOut::Loan& Session::hand_over(Lending& lending) {
  if (LoansOut::Loan* const known = loans_->out.find(lending.memory)) return *known;
  LoansOut::Loan& loan = loans_->out.add(lending.memory, lending.kind);
  std::vector<Descriptor> file;
  file.push_back(std::move(lending.file));
  outbox_.attach(std::move(file));
  outbox_.commit(wire::encode_handover(loan.number,
                                       {.kind = lending.kind, .bytes = lending.capacity},
                                       outbox_.prepare(wire::encoded_handover_bytes_max)));
  return loan;
}

/// The message that names it is on the stream.
void Session::name_loan(LoansOut::Loan& loan, const Lending& lending) {
  loans_->out.use(loan);
  if (lending.kind == Handover::immutable) {
    loan.over = true;
  } else if (lending.once) {
    take_back(lending.memory);
  }
}

/// Some call that waits counts on the peer's having it, and could not hand it over.
bool Session::is_counted_on(const Lendable* memory) const {
  for (const OutgoingCall* call = waiting_.front(); call != nullptr; call = call->next_) {
    if (call->lending.memory == memory && !call->lending.file) return true;
  }
  return false;
}

void Session::take_back(const Lendable* memory) {
  LoansOut::Loan* const loan = loans_ == nullptr ? nullptr : loans_->out.find(memory);
  if (loan == nullptr || ended_ || is_counted_on(memory)) return;
  put_bare(Kind::handover, loan->number);
  loan->over = true;
  loans_->out.forget_if_over(*loan);
}

Verdict Session::take_release(const wire::Frame& frame) {
  if (frame.header.id == 0) {
    if (std::exchange(peer_takes_loans_, true)) return breach("a second RELEASE of nothing");
    if (loans_ == nullptr) loans_ = std::make_unique<Loans>();
    return {};
  }
  LoansOut::Loan* const loan = loans_ == nullptr ? nullptr : loans_->out.numbered(frame.header.id);
  if (loan == nullptr || loan->uses == 0) return breach("RELEASE of what it does not have");
  loans_->out.end_use(*loan);
  events_.on_released();
  return {};
}

// The peer's.

Verdict Session::take_handover(const wire::Frame& frame) {
  if (frame.header.descriptors > 0) return take_memory(frame);
  if (settings_.loans_max == 0) return breach("HANDOVER to a side that takes none");
  if (frame.header.id == 0) {
    if (takes_loans_) return breach("a second wish to hand over");
    take_loans();
    events_.on_loans_wanted();
    return {};
  }
  LoansIn::Loan* const loan = loans_ == nullptr ? nullptr : loans_->in.numbered(frame.header.id);
  if (loan == nullptr || std::exchange(loan->over, true)) {
    return breach("HANDOVER takes back what is not handed over");
  }
  // It is over by its one use, which an owner puts right behind it.
  if (loan->kind == Handover::immutable) return breach("HANDOVER takes back immutable memory");
  if (loans_->in.forget_if_over(*loan)) events_.on_loan_over(frame.header.id);
  return {};
}

/// Says that descriptors are received from here on.
void Session::take_loans() {
  if (loans_ == nullptr) loans_ = std::make_unique<Loans>();
  takes_loans_ = true;
  put_bare(Kind::release, 0);
}

Verdict Session::take_memory(const wire::Frame& frame) {
  if (!takes_loans_) return breach("HANDOVER before it was allowed");
  if (frame.header.descriptors != 1) return breach("HANDOVER of another number of descriptors");
  const auto memory = wire::decode_handover(frame.body);
  if (!memory) return breach("malformed HANDOVER");
  const bool shared = memory->kind == Handover::shared_view;
  if (shared && (settings_.abilities & wire::ability_shared_views) == 0) {
    return breach("a shared view for a side that takes none");
  }
  if (!loans_->in.is_next(frame.header.id)) return breach("HANDOVER with another number");
  if (loans_->in.size() >= settings_.loans_max) return breach("more HANDOVERs than agreed");
  if (memory->bytes == 0 || memory->bytes > settings_.loan_bytes_max) {
    return breach("HANDOVER of another size than agreed");
  }
  std::vector<Descriptor> files;
  if (auto verdict = take_announced(frame, files); !verdict) return verdict;
  loans_->in.add(frame.header.id, memory->kind, memory->bytes);
  events_.on_loan(frame.header.id, *memory, std::move(files.front()));
  return {};
}

/// The payload of `frame` lies in the peer's memory.
Verdict Session::take_loan(const wire::Frame& frame, const wire::LentPayload& named,
                           std::span<const std::byte> payload, LoanedPayload& loan) {
  if (!payload.empty() || (frame.header.flags & wire::flag_more) != 0) {
    return breach("a payload besides the one that is handed over");
  }
  if (loans_ == nullptr) return breach("a payload in memory, and none was handed over");
  if (const char* const wrong = loans_->in.name(named.number, named.bytes)) return breach(wrong);
  loan = {.number = named.number, .bytes = named.bytes};
  return {};
}

/// It came behind our DRAIN.
Verdict Session::drop_call(const wire::Frame& frame) {
  std::vector<Descriptor> dropped;
  if (auto verdict = take_descriptors(frame, dropped); !verdict) return verdict;
  std::span<const std::byte> payload;
  wire::Prologue prologue;
  const bool continued = (frame.header.flags & wire::flag_continued) != 0;
  if (continued || !wire::decode_prologue(frame.body, prologue, payload) || !prologue.loan) {
    return {};
  }
  LoanedPayload loan;
  if (auto verdict = take_loan(frame, *prologue.loan, payload, loan); !verdict) return verdict;
  end_loan(loan);
  return {};
}

void Session::end_loan(const LoanedPayload& loan) {
  if (loan.number == 0 || ended_) return;
  LoansIn::Loan* const known = loans_->in.numbered(loan.number);
  if (loans_->in.end_use(*known)) events_.on_loan_over(loan.number);
  put_bare(Kind::release, loan.number);
}

}  // namespace tincan::protocol
