#include <string>
#include <utility>

#include "session/connection.h"
#include "session/loop.h"
#include "session/service.h"

// Memory that is handed over in place of payloads, by the client and to it.

namespace tincan::session {

void Connection::on_loan(std::uint64_t number, const wire::HandedOver& memory, Descriptor&& file) {
  if (!views_) {
    views_ = std::make_unique<Views>(loop_.service().views, MemoryBudget::uid_of(peer_));
  }
  const Descriptor taken = std::move(file);
  views_->add(number, memory, taken);
}

/// The payload of `call` lies in the client's memory. False: it is not taken, which is counted.
bool Connection::open_view(const protocol::IncomingCall& call, HeldView& view,
                           Views::Refusal& refusal) {
  auto opened = views_->open(call.loan.number);
  if (opened) {
    view.reset(*opened);
    return true;
  }
  LoopCounts::bump(loop_.counts.refused);
  refusal = opened.error();
  if (refusal.reason == wire::Reason::refused) {
    loop_.log_about_peer("refused memory of " + name() + ": " + std::string(refusal.text));
  }
  return false;
}

void Connection::end_view(const View& view) noexcept {
  try {
    borrow_room();
    session_.end_loan({.number = view.number, .bytes = 0});
  } catch (const std::exception&) {
    close();
  }
  if (!receiving_ && !closed_) loop_.flush_later(*this);
}

/// For its first call, by when the client has said whether it takes any.
void Connection::find_out_loans() {
  Service& service = loop_.service();
  knows_loans_ = true;
  if (!session_.lends() || !service.lends_to(peer_)) return;
  const wire::Hello& hello = session_.peer_hello();
  const LoanTerms terms{.lends = true,
                        .shared_views = (hello.abilities & wire::ability_shared_views) != 0,
                        .loans_max = hello.loans_max,
                        .loan_bytes_max = hello.loan_bytes_max,
                        .loan_bytes_min = service.options.loan_bytes_min};
  loans_ = std::make_shared<LoanPool>(terms, service.loans, MemoryBudget::uid_of(peer_));
}

protocol::Delivery Connection::put_reply_with_loan(RequestState& request, LentMemory& memory,
                                                   std::uint64_t bytes,
                                                   std::vector<Descriptor>&& descriptors) {
  loans_->take_back([&](const LentMemory& gone) { session_.take_back(&gone); });
  auto lending = memory.lending(bytes, !session_.has_lent(&memory), loans_.get());
  if (lending) {
    return session_.reply_with_loan(request.id, std::move(*lending), std::move(descriptors));
  }
  session_.fail(request.id, {.reason = wire::Reason::reply_lost,
                             .text = "the server has no free descriptor for the reply"});
  return protocol::Delivery::no_loan;
}

/// False: the caller gets an error instead.
bool Connection::reply_with_loan(RequestState& request, LentMemory& memory, std::uint64_t bytes,
                                 std::vector<Descriptor>&& descriptors) noexcept {
  auto delivery = protocol::Delivery::gone;
  try {
    borrow_room();
    delivery = put_reply_with_loan(request, memory, bytes, std::move(descriptors));
    count_delivery(delivery, false);
  } catch (const std::exception&) {
    close();
  }
  if (!receiving_ && !closed_) loop_.flush_later(*this);
  return delivery == protocol::Delivery::queued || delivery == protocol::Delivery::gone;
}

}  // namespace tincan::session
