#include "protocol/session.h"

// What comes back for calls of ours.

namespace tincan::protocol {

Verdict Session::take_reply(const wire::Frame& frame) {
  OutgoingSlot* const slot = outgoing(frame.header.id);
  if (slot == nullptr) return breach("a reply to no call");
  OutgoingCall* const call = slot->call;
  if (call != nullptr && call->stage_ == OutgoingCall::Stage::partly) {
    return breach("a reply to half a call");
  }
  constexpr std::uint8_t in_fragments = wire::flag_more | wire::flag_continued;
  if ((frame.header.flags & in_fragments) != 0 || slot->answer != nullptr) {
    return take_answer_fragment(frame, *slot);
  }
  std::span<const std::byte> payload;
  wire::Prologue prologue;
  if (!wire::decode_prologue(frame.body, prologue, payload)) return breach("malformed prologue");
  if (prologue.cpu) peer_cpu_ = *prologue.cpu;
  if (payload.size() > settings_.payload_bytes_max) return breach("a payload over the agreed size");
  LoanedPayload loan;
  if (prologue.loan) [[unlikely]] {
    if (auto verdict = take_loan(frame, *prologue.loan, payload, loan); !verdict) return verdict;
    if (call == nullptr) end_loan(loan);
  }
  if (call == nullptr) return drop_answer(frame, *slot);
  if (auto verdict = take_descriptors(frame, call->answer.descriptors); !verdict) return verdict;
  call->answer.payload.append(pool_, payload);
  call->answer.loan = loan;
  free_slot(*slot);
  finish(*call);
  return {};
}

/// Nobody waits for it any more.
Verdict Session::drop_answer(const wire::Frame& frame, OutgoingSlot& slot) {
  std::vector<Descriptor> dropped;
  if (auto verdict = take_descriptors(frame, dropped); !verdict) return verdict;
  free_slot(slot);
  return {};
}

Verdict Session::take_answer_fragment(const wire::Frame& frame, OutgoingSlot& slot) {
  const bool continued = (frame.header.flags & wire::flag_continued) != 0;
  const bool more = (frame.header.flags & wire::flag_more) != 0;
  if (continued != (slot.answer != nullptr)) return breach("a fragment out of order");
  return continued ? add_to_answer(slot, frame.body, more) : begin_answer(frame, slot);
}

Verdict Session::begin_answer(const wire::Frame& frame, OutgoingSlot& slot) {
  std::span<const std::byte> payload;
  wire::Prologue prologue;
  if (!wire::decode_prologue(frame.body, prologue, payload)) return breach("malformed prologue");
  if (!prologue.payload_bytes) return breach("fragments without the payload's size");
  if (*prologue.payload_bytes > settings_.payload_bytes_max) {
    return breach("a payload over the agreed size");
  }
  if (prologue.loan) return breach("fragments of a payload that is handed over");
  std::vector<Descriptor> descriptors;
  if (auto verdict = take_descriptors(frame, descriptors); !verdict) return verdict;
  slot.answer = std::make_unique<PartialAnswer>();
  slot.answer->missing_bytes = *prologue.payload_bytes;
  slot.answer->answer.descriptors = std::move(descriptors);
  return add_to_answer(slot, payload, true);
}

Verdict Session::add_to_answer(OutgoingSlot& slot, std::span<const std::byte> payload, bool more) {
  PartialAnswer& partial = *slot.answer;
  if (payload.size() > partial.missing_bytes) return breach("a payload longer than announced");
  partial.missing_bytes -= payload.size();
  if (slot.call != nullptr) partial.answer.payload.append(pool_, payload);
  if (more) return {};
  if (partial.missing_bytes != 0) return breach("a payload shorter than announced");
  OutgoingCall* const call = slot.call;
  if (call != nullptr) call->answer = std::move(partial.answer);
  free_slot(slot);
  if (call != nullptr) finish(*call);
  return {};
}

Verdict Session::take_error(const wire::Frame& frame) {
  OutgoingSlot* const slot = outgoing(frame.header.id);
  if (slot == nullptr) return breach("an error for no call");
  const auto error = wire::decode_error(frame.body);
  if (!error) return breach("malformed error");
  OutgoingCall* const call = slot->call;
  if (call != nullptr && call->stage_ == OutgoingCall::Stage::partly) {
    return breach("an error for half a call");
  }
  auto failure = failure_of(*error);  // may find no memory: before the call loses its slot
  free_slot(*slot);
  if (call != nullptr) fail_call(*call, std::move(failure));
  return {};
}

}  // namespace tincan::protocol
