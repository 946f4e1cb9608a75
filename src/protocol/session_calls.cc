#include <algorithm>
#include <string>

#include "protocol/session.h"
#include "wire/batch.h"

// Calls of the peer's, as they come in.

namespace tincan::protocol {

namespace {

using wire::CallId;

/// Numbers that a peer may give to method names. Chosen: 16 KiB of names at the most.
constexpr std::uint16_t method_numbers_max = 64;

}  // namespace

Verdict Session::take_call(const wire::Frame& frame) {
  const CallId id = CallId::of(frame.header.id);
  // What was sent before our DRAIN arrived was not accepted; the peer knows by the count.
  if (drains_ && id.sequence > peer_sequence_) return drop_call(frame);
  const bool continued = (frame.header.flags & wire::flag_continued) != 0;
  return continued ? take_next_fragment(frame) : take_first_fragment(frame);
}

void Session::add_incoming_slots(std::uint16_t up_to) { incoming_.resize(up_to + 1u); }

inline Verdict Session::occupy(CallId id, bool one_way) {
  if (id.sequence != peer_sequence_ + 1) return breach("call numbers that do not count up by one");
  peer_sequence_ = id.sequence;
  if (settings_.calls_in_flight_max == 0) return breach("a call to a side that takes none");
  if (one_way) {
    return id.slot == CallId::no_slot ? Verdict() : breach("a one-way call in a slot");
  }
  if (id.slot >= settings_.calls_in_flight_max) return breach("more calls in flight than agreed");
  if (id.slot >= incoming_.size()) add_incoming_slots(id.slot);
  IncomingSlot& slot = incoming_[id.slot];
  if (slot.id != 0) return breach("a call in a slot that is in use");
  slot = {.id = id.value(), .tag = nullptr};
  ++calls_to_answer_;
  return {};
}

Verdict Session::take_numbered_method(const wire::Prologue& prologue, std::string_view& method) {
  const std::uint16_t number = *prologue.method_number;
  if (number >= method_numbers_max) return breach("a method number over 63");
  if (!method.empty()) {
    if (number >= method_names_.size()) method_names_.resize(number + 1u);
    method_names_[number] = method;
    return {};
  }
  if (number >= method_names_.size() || method_names_[number].empty()) {
    return breach("a method number that was not agreed on");
  }
  method = method_names_[number];
  return {};
}

inline Verdict Session::take_first_fragment(const wire::Frame& frame) {
  std::span<const std::byte> payload;
  wire::Prologue prologue;
  if (!wire::decode_prologue(frame.body, prologue, payload)) return breach("malformed prologue");
  if (prologue.cpu) peer_cpu_ = *prologue.cpu;
  IncomingCall call{
      .id = frame.header.id,
      .method = prologue.method,
      .deadline = prologue.deadline ? on_our_clock(*prologue.deadline) : Moment::never(),
      .idempotent = prologue.idempotent,
      .one_way = (frame.header.flags & wire::flag_one_way) != 0,
      .payload = {},
      .descriptors = {}};
  if (auto verdict = take_descriptors(frame, call.descriptors); !verdict) return verdict;
  if (auto verdict = occupy(CallId::of(call.id), call.one_way); !verdict) return verdict;
  if (prologue.method_number) {
    if (auto verdict = take_numbered_method(prologue, call.method); !verdict) return verdict;
  } else if (call.method.empty()) {
    return breach("a call without a method");
  }
  if (prologue.loan) [[unlikely]] {
    if (auto verdict = take_loan(frame, *prologue.loan, payload, call.loan); !verdict) {
      return verdict;
    }
  }

  if ((frame.header.flags & wire::flag_more) == 0) [[likely]] {
    if ((frame.header.flags & wire::flag_batch) != 0) return take_batch(call, payload);
    return take_whole(call, payload);
  }
  if (!prologue.payload_bytes) return breach("fragments without the payload's size");
  return begin_partial(std::move(call), *prologue.payload_bytes, payload);
}

inline Verdict Session::take_whole(IncomingCall& call, std::span<const std::byte> payload) {
  if (payload.size() > settings_.payload_bytes_max) return breach("a payload over the agreed size");
  if (!has_room_for(0, call.descriptors.size()) || !may_hold(payload.size())) {
    fail(call.id,
         {.reason = wire::Reason::exhausted, .text = lack_of_room(0, call.descriptors.size())});
    end_loan(call.loan);
    return {};
  }
  if (call.one_way) return take_one_way(call, payload);
  hold_whole(call, payload);
  return {};
}

inline void Session::hold_whole(IncomingCall& call, std::span<const std::byte> payload) {
  call.payload.append(pool_, payload);
  held_descriptors_ += static_cast<std::uint32_t>(call.descriptors.size());
  deliver(call);
}

Verdict Session::take_one_way(IncomingCall& call, std::span<const std::byte> payload) {
  const bool is_all_here = call.descriptors.empty() && call.loan.number == 0;
  const bool in_place =
      is_all_here && !has_expired(call.deadline) &&
      events_.on_batch(
          {.id = call.id, .method = call.method, .deadline = call.deadline, .bytes = payload});
  if (!in_place) hold_whole(call, payload);
  return {};
}

Verdict Session::take_batch(IncomingCall& call, std::span<const std::byte> batch) {
  if (!may(wire::ability_batch)) return breach("a batch without the ability for it");
  const auto messages = wire::count_messages(batch, settings_.payload_bytes_max);
  if (!messages) return breach("malformed batch");
  if (has_expired(call.deadline)) {
    for (std::uint32_t i = 0; i < *messages; ++i) events_.on_expired();
    return {};
  }
  const IncomingBatch arrived{.id = call.id,
                              .method = call.method,
                              .deadline = call.deadline,
                              .bytes = batch,
                              .messages = *messages,
                              .has_lengths = true};
  if (!may_hold(batch.size())) return {};  // nobody is told what becomes of one-way messages
  if (!events_.on_batch(arrived)) deliver_one_by_one(arrived);
  return {};
}

/// Each of them counts as a frame, for it has cost as much.
void Session::deliver_one_by_one(const IncomingBatch& batch) {
  taken_besides_ = batch.messages - 1;
  std::span<const std::byte> rest = batch.bytes;
  while (!rest.empty() && !ended_) {
    IncomingCall call{.id = batch.id,
                      .method = batch.method,
                      .deadline = batch.deadline,
                      .idempotent = false,
                      .one_way = true,
                      .payload = {},
                      .descriptors = {}};
    hold_whole(call, wire::take_message(rest));
  }
}

inline bool Session::has_room_for(std::uint64_t promised_bytes, std::size_t descriptors) const {
  const std::uint64_t bytes_max = settings_.incoming_bytes_max;
  if (promised_bytes > bytes_max - std::min(bytes_max, partials_bytes_)) return false;
  return descriptors == 0 || descriptors + held_descriptors_ <= settings_.descriptors_held_max;
}

std::string Session::lack_of_room(std::uint64_t promised_bytes, std::size_t descriptors) const {
  if (!has_room_for(promised_bytes, 0)) {
    return "over " + std::to_string(settings_.incoming_bytes_max) +
           " bytes on their way at once on this connection";
  }
  if (!has_room_for(0, descriptors)) {
    return "over " + std::to_string(settings_.descriptors_held_max) +
           " descriptors held at once for this connection";
  }
  return "the bytes of requests that the server holds at once, for one user or in all, are used up";
}

Verdict Session::begin_partial(IncomingCall&& call, std::uint64_t promised_bytes,
                               std::span<const std::byte> payload) {
  // Slots bound the calls in pieces, but one-way calls have none: as many are allowed besides.
  if (partials_.size() >= 2 * std::size_t{settings_.calls_in_flight_max}) {
    return breach("too many calls in pieces");
  }
  if (promised_bytes > settings_.payload_bytes_max) {
    return breach("a payload over the agreed size");
  }
  const auto at = partials_.try_emplace(call.id).first;
  Partial& partial = at->second;
  partial.method = call.method;
  partial.call = std::move(call);
  partial.promised_bytes = promised_bytes;
  const std::size_t descriptors = partial.call.descriptors.size();
  if (!has_room_for(promised_bytes, descriptors) || !may_hold(promised_bytes)) {
    partial.refusal = wire::Reason::exhausted;
    partial.refusal_text = lack_of_room(promised_bytes, descriptors);
    partial.call.descriptors.clear();
  } else {
    partials_bytes_ += promised_bytes;
    held_descriptors_ += static_cast<std::uint32_t>(partial.call.descriptors.size());
  }
  return add_to_partial(at, payload, true);
}

Verdict Session::take_next_fragment(const wire::Frame& frame) {
  const auto at = partials_.find(frame.header.id);
  if (at == partials_.end()) return breach("a fragment of no call");
  const bool one_way = (frame.header.flags & wire::flag_one_way) != 0;
  if (one_way != at->second.call.one_way) return breach("a fragment of another kind");
  return add_to_partial(at, frame.body, (frame.header.flags & wire::flag_more) != 0);
}

Verdict Session::add_to_partial(Partials::iterator at, std::span<const std::byte> payload,
                                bool more) {
  Partial& partial = at->second;
  if (payload.size() > partial.promised_bytes - partial.received_bytes) {
    return breach("a payload longer than announced");
  }
  partial.received_bytes += payload.size();
  if (!partial.refusal) partial.call.payload.append(pool_, payload);
  if (more) return {};

  if (partial.received_bytes != partial.promised_bytes) {
    return breach("a payload shorter than announced");
  }
  auto node = partials_.extract(at);
  Partial& whole = node.mapped();
  if (whole.refusal) {
    fail(whole.call.id, {.reason = *whole.refusal, .text = whole.refusal_text});
    return {};
  }
  partials_bytes_ -= whole.promised_bytes;
  whole.call.method = whole.method;
  deliver(whole.call);
  return {};
}

inline void Session::deliver(IncomingCall& call) {
  if (has_expired(call.deadline)) return expire(call);
  held_bytes_ += call.payload.bytes().size();
  if (call.one_way) ++held_one_ways_;
  events_.on_call(std::move(call));
}

void Session::expire(IncomingCall& call) {
  held_descriptors_ -= static_cast<std::uint32_t>(call.descriptors.size());
  events_.on_expired();
  fail(call.id, {.reason = wire::Reason::expired, .text = "the deadline passed before it was run"});
  end_loan(call.loan);
}

Verdict Session::take_cancel(const wire::Frame& frame) {
  if (const auto at = partials_.find(frame.header.id); at != partials_.end()) {
    const Partial& partial = at->second;
    if (!partial.refusal) {
      partials_bytes_ -= partial.promised_bytes;
      held_descriptors_ -= static_cast<std::uint32_t>(partial.call.descriptors.size());
    }
    partials_.erase(at);
    fail(frame.header.id, {.reason = wire::Reason::cancelled});
    return {};
  }
  // Unknown ids are not a breach: the answer may have crossed the cancel on its way.
  if (IncomingSlot* const slot = incoming(frame.header.id)) events_.on_cancel(slot->tag);
  return {};
}

}  // namespace tincan::protocol
