#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "protocol/session.h"

namespace tincan::protocol {

namespace {

using wire::CallId;
using wire::Kind;

/// Numbers that a peer may give to method names. Chosen: 16 KiB of names at the most.
constexpr std::uint16_t method_numbers_max = 64;
/// Clocks this close are the same clock, and the difference is the time between reading them.
/// Time namespaces that differ do so by the age of a checkpoint: minutes to years.
constexpr std::int64_t same_clock_nanoseconds = 100'000'000;

[[gnu::cold, gnu::noinline]] std::unexpected<Failure> breach(std::string what) {
  return std::unexpected(Failure(Cause::breach, std::move(what)));
}

/// What a stranger said instead of HELLO, made safe to print: `bytes`, after so many of the
/// preamble.
std::unexpected<Failure> stranger(std::size_t preamble_bytes, std::span<const std::byte> bytes) {
  static constexpr std::size_t shown_bytes_max = 16;
  std::string said(wire::preamble.substr(0, preamble_bytes));
  for (const std::byte byte : bytes.first(std::min(bytes.size(), shown_bytes_max))) {
    const char character = static_cast<char>(byte);
    said += character >= ' ' && character <= '~' ? character : '.';
  }
  return std::unexpected(Failure(Cause::not_tincan, "it said \"" + said + "\" instead of HELLO"));
}

}  // namespace

std::expected<std::size_t, Failure> Session::receive(std::span<const std::byte> bytes) {
  const std::size_t offered = bytes.size();
  if (preamble_bytes_ < wire::preamble.size()) {
    if (auto verdict = take_preamble(bytes); !verdict) return std::unexpected(verdict.error());
  }
  while (wants_input() && !ended_) {
    const wire::Parsed parsed = wire::parse_frame(bytes);
    if (parsed.state == wire::Parsed::State::breach) return breach(parsed.breach);
    if (parsed.state == wire::Parsed::State::incomplete) break;
    if (auto verdict = dispatch(parsed.frame); !verdict) return std::unexpected(verdict.error());
    bytes = bytes.subspan(sizeof(wire::FrameHeader) + parsed.frame.body.size());
  }
  // Descriptors come with the first byte of their frame, so at most one frame can still lack its
  // other bytes while its descriptors are here.
  if (arrived_.size() > 1 && wants_input()) return breach("descriptors that no frame announced");
  return offered - bytes.size();
}

Session::Verdict Session::take_preamble(std::span<const std::byte>& bytes) {
  const auto rest = std::as_bytes(std::span(wire::preamble)).subspan(preamble_bytes_);
  const std::size_t count = std::min(rest.size(), bytes.size());
  if (!std::ranges::equal(bytes.first(count), rest.first(count))) {
    return stranger(preamble_bytes_, bytes);
  }
  preamble_bytes_ = static_cast<std::uint8_t>(preamble_bytes_ + count);
  bytes = bytes.subspan(count);
  return {};
}

Session::Verdict Session::dispatch(const wire::Frame& frame) {
  const Kind kind = frame.header.kind;
  if (kind == Kind::error && frame.header.id == 0) {
    const auto error = wire::decode_error(frame.body);
    peer_said_goodbye_ = error.has_value();
    return error ? Verdict(std::unexpected(failure_of(*error))) : breach("malformed error");
  }
  if (!greeted_ && kind != Kind::hello) return breach("a frame before HELLO");
  switch (kind) {
    case Kind::call:
      return take_call(frame);
    case Kind::reply:
      return take_reply(frame);
    case Kind::error:
      return take_error(frame);
    case Kind::cancel:
      return take_cancel(frame);
    case Kind::hello:
      return take_hello(frame);
    case Kind::drain:
      return take_drain(frame);
    case Kind::ping:
      wire::encode_bare(Kind::pong, frame.header.id, outbox_.bytes());
      return {};
    case Kind::pong:
      return {};
    case Kind::push:
    case Kind::subscribe:
    case Kind::credit:
    case Kind::upgrade:
    case Kind::revoke:
    case Kind::handover:
    case Kind::release:
      break;
  }
  return breach(std::string(wire::name(kind)) + " without the ability for it");
}

Session::Verdict Session::take_hello(const wire::Frame& frame) {
  if (greeted_) return breach("a second HELLO");
  const auto hello = wire::decode_hello(frame.body);
  if (!hello) return breach("malformed HELLO");
  if (hello->version_lowest > wire::version || hello->version_highest < wire::version) {
    return std::unexpected(
        Failure(Cause::unsupported, "it speaks protocol " + std::to_string(hello->version_lowest) +
                                        " to " + std::to_string(hello->version_highest) +
                                        ", we speak " + std::to_string(wire::version)));
  }
  peer_ = *hello;
  peer_.calls_in_flight_max =
      std::min<std::uint32_t>(peer_.calls_in_flight_max, limits::calls_in_flight_ceiling);
  peer_.descriptors_max =
      std::min<std::uint32_t>(peer_.descriptors_max, limits::message_descriptors_max);
  std::int64_t shift;
  const bool overflows = __builtin_sub_overflow(hello->clock_offset_nanoseconds,
                                                settings_.clock_offset_nanoseconds, &shift);
  if (overflows || shift == INT64_MIN) return breach("an impossible clock");
  clock_shift_nanoseconds_ = std::abs(shift) < same_clock_nanoseconds ? 0 : shift;
  greeted_ = true;
  events_.on_hello();
  return {};
}

Moment Session::on_our_clock(std::int64_t peer_nanoseconds) const {
  if (peer_nanoseconds == Moment::never().nanoseconds()) return Moment::never();
  std::int64_t ours;
  if (__builtin_add_overflow(peer_nanoseconds, clock_shift_nanoseconds_, &ours)) {
    return clock_shift_nanoseconds_ > 0 ? Moment::never() : Moment(INT64_MIN);
  }
  return Moment(ours);
}

Session::Verdict Session::take_descriptors(const wire::Frame& frame,
                                           std::vector<Descriptor>& descriptors) {
  if (frame.header.descriptors == 0) return {};
  if (frame.header.descriptors > settings_.descriptors_max) {
    return breach("more descriptors than we accept");
  }
  if (arrived_.empty() || arrived_.front().size() != frame.header.descriptors) {
    return breach("announced " + std::to_string(frame.header.descriptors) +
                  " descriptors, of which " +
                  std::to_string(arrived_.empty() ? 0 : arrived_.front().size()) + " arrived");
  }
  descriptors = std::move(arrived_.front());
  arrived_.erase(arrived_.begin());
  return {};
}

Session::Verdict Session::take_call(const wire::Frame& frame) {
  const CallId id = CallId::of(frame.header.id);
  const bool continued = (frame.header.flags & wire::flag_continued) != 0;
  // What was sent before our DRAIN arrived was not accepted; the peer knows by the count.
  if (drains_ && id.sequence > peer_sequence_) {
    std::vector<Descriptor> dropped;
    return take_descriptors(frame, dropped);
  }
  return continued ? take_next_fragment(frame) : take_first_fragment(frame);
}

Session::Verdict Session::occupy(CallId id, bool one_way) {
  if (id.sequence != peer_sequence_ + 1) return breach("call numbers that do not count up by one");
  peer_sequence_ = id.sequence;
  if (one_way) {
    return id.slot == CallId::no_slot ? Verdict() : breach("a one-way call in a slot");
  }
  if (id.slot >= settings_.calls_in_flight_max) return breach("more calls in flight than agreed");
  if (id.slot >= incoming_.size()) incoming_.resize(id.slot + 1u);
  IncomingSlot& slot = incoming_[id.slot];
  if (slot.id != 0) return breach("a call in a slot that is in use");
  slot = {.id = id.value(), .tag = nullptr};
  ++calls_to_answer_;
  return {};
}

Session::Verdict Session::take_method(const wire::Prologue& prologue, std::string_view& method) {
  method = prologue.method;
  if (!prologue.method_number) {
    return method.empty() ? breach("a call without a method") : Verdict();
  }
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

Session::Verdict Session::take_first_fragment(const wire::Frame& frame) {
  std::span<const std::byte> payload;
  wire::Prologue prologue;
  if (!wire::decode_prologue(frame.body, prologue, payload)) return breach("malformed prologue");
  IncomingCall call;
  call.id = frame.header.id;
  call.one_way = (frame.header.flags & wire::flag_one_way) != 0;
  call.idempotent = prologue.idempotent;
  if (prologue.deadline) call.deadline = on_our_clock(*prologue.deadline);
  if (auto verdict = take_descriptors(frame, call.descriptors); !verdict) return verdict;
  if (auto verdict = occupy(CallId::of(call.id), call.one_way); !verdict) return verdict;
  if (auto verdict = take_method(prologue, call.method); !verdict) return verdict;

  if ((frame.header.flags & wire::flag_more) == 0) return take_whole(std::move(call), payload);
  if (!prologue.payload_bytes) return breach("fragments without the payload's size");
  return begin_partial(std::move(call), *prologue.payload_bytes, payload);
}

Session::Verdict Session::take_whole(IncomingCall&& call, std::span<const std::byte> payload) {
  if (payload.size() > settings_.payload_bytes_max) return breach("a payload over the agreed size");
  if (!has_room_for(0, call.descriptors.size())) {
    fail(call.id, {.reason = wire::Reason::exhausted, .text = lack_of_room(0)});
    return {};
  }
  call.payload.append(pool_, payload);
  held_descriptors_ += static_cast<std::uint32_t>(call.descriptors.size());
  deliver(std::move(call));
  return {};
}

bool Session::has_room_for(std::uint64_t promised_bytes, std::size_t descriptors) const {
  const std::uint64_t bytes_max = settings_.incoming_bytes_max;
  if (promised_bytes > bytes_max - std::min(bytes_max, partials_bytes_)) return false;
  return descriptors == 0 || descriptors + held_descriptors_ <= settings_.descriptors_held_max;
}

std::string Session::lack_of_room(std::uint64_t promised_bytes) const {
  if (!has_room_for(promised_bytes, 0)) {
    return "over " + std::to_string(settings_.incoming_bytes_max) +
           " bytes on their way at once on this connection";
  }
  return "over " + std::to_string(settings_.descriptors_held_max) +
         " descriptors held at once for this connection";
}

Session::Verdict Session::begin_partial(IncomingCall&& call, std::uint64_t promised_bytes,
                                        std::span<const std::byte> payload) {
  // Slots bound the calls in pieces, but one-way calls have none: as many are allowed besides.
  if (partials_.size() >= 2 * std::size_t{settings_.calls_in_flight_max}) {
    return breach("too many calls in pieces");
  }
  auto partial = std::make_unique<Partial>();
  partial->method = call.method;
  partial->call = std::move(call);
  partial->promised_bytes = promised_bytes;
  if (promised_bytes > settings_.payload_bytes_max) {
    return breach("a payload over the agreed size");
  }
  if (!has_room_for(promised_bytes, partial->call.descriptors.size())) {
    partial->refusal = wire::Reason::exhausted;
    partial->refusal_text = lack_of_room(promised_bytes);
    partial->call.descriptors.clear();
  } else {
    partials_bytes_ += promised_bytes;
    held_descriptors_ += static_cast<std::uint32_t>(partial->call.descriptors.size());
  }
  partials_.push_back(std::move(partial));
  return add_to_partial(partials_.size() - 1, payload, true);
}

std::optional<std::size_t> Session::find_partial(std::uint64_t id) const {
  for (std::size_t i = 0; i < partials_.size(); ++i) {
    if (partials_[i]->call.id == id) return i;
  }
  return std::nullopt;
}

Session::Verdict Session::take_next_fragment(const wire::Frame& frame) {
  const auto index = find_partial(frame.header.id);
  if (!index) return breach("a fragment of no call");
  const bool one_way = (frame.header.flags & wire::flag_one_way) != 0;
  if (one_way != partials_[*index]->call.one_way) return breach("a fragment of another kind");
  return add_to_partial(*index, frame.body, (frame.header.flags & wire::flag_more) != 0);
}

Session::Verdict Session::add_to_partial(std::size_t index, std::span<const std::byte> payload,
                                         bool more) {
  Partial& partial = *partials_[index];
  if (payload.size() > partial.promised_bytes - partial.received_bytes) {
    return breach("a payload longer than announced");
  }
  partial.received_bytes += payload.size();
  if (!partial.refusal) partial.call.payload.append(pool_, payload);
  if (more) return {};

  if (partial.received_bytes != partial.promised_bytes) {
    return breach("a payload shorter than announced");
  }
  const auto whole = std::move(partials_[index]);
  partials_.erase(partials_.begin() + static_cast<std::ptrdiff_t>(index));
  if (whole->refusal) {
    fail(whole->call.id, {.reason = *whole->refusal, .text = whole->refusal_text});
    return {};
  }
  partials_bytes_ -= whole->promised_bytes;
  whole->call.method = whole->method;
  deliver(std::move(whole->call));
  return {};
}

void Session::deliver(IncomingCall&& call) {
  if (!call.deadline.is_never() && call.deadline <= events_.now()) {
    held_descriptors_ -= static_cast<std::uint32_t>(call.descriptors.size());
    events_.on_expired();
    fail(call.id,
         {.reason = wire::Reason::expired, .text = "the deadline passed before it was run"});
    return;
  }
  held_bytes_ += call.payload.bytes().size();
  if (call.one_way) ++held_one_ways_;
  events_.on_call(std::move(call));
}

Session::Verdict Session::take_cancel(const wire::Frame& frame) {
  if (const auto index = find_partial(frame.header.id)) {
    const auto partial = std::move(partials_[*index]);
    partials_.erase(partials_.begin() + static_cast<std::ptrdiff_t>(*index));
    if (!partial->refusal) {
      partials_bytes_ -= partial->promised_bytes;
      held_descriptors_ -= static_cast<std::uint32_t>(partial->call.descriptors.size());
    }
    fail(frame.header.id, {.reason = wire::Reason::cancelled});
    return {};
  }
  // Unknown ids are not a breach: the answer may have crossed the cancel on its way.
  if (IncomingSlot* const slot = incoming(frame.header.id)) events_.on_cancel(slot->tag);
  return {};
}

Session::IncomingSlot* Session::incoming(std::uint64_t id) {
  const CallId call = CallId::of(id);
  if (call.slot >= incoming_.size() || id == 0) return nullptr;
  IncomingSlot& slot = incoming_[call.slot];
  return slot.id == id ? &slot : nullptr;
}

Session::OutgoingSlot* Session::outgoing(std::uint64_t id) {
  const CallId call = CallId::of(id);
  if (call.slot >= outgoing_.size() || id == 0) return nullptr;
  OutgoingSlot& slot = outgoing_[call.slot];
  return slot.id == id ? &slot : nullptr;
}

Session::Verdict Session::take_reply(const wire::Frame& frame) {
  OutgoingSlot* const slot = outgoing(frame.header.id);
  if (slot == nullptr) return breach("a reply to no call");
  if (slot->call != nullptr && slot->call->stage_ == OutgoingCall::Stage::partly) {
    return breach("a reply to half a call");
  }
  const bool continued = (frame.header.flags & wire::flag_continued) != 0;
  const bool more = (frame.header.flags & wire::flag_more) != 0;
  if (continued != (slot->answer != nullptr)) return breach("a fragment out of order");
  if (continued) return add_to_answer(*slot, frame.body, more);

  std::span<const std::byte> payload;
  wire::Prologue prologue;
  if (!wire::decode_prologue(frame.body, prologue, payload)) return breach("malformed prologue");
  if (more && !prologue.payload_bytes) return breach("fragments without the payload's size");
  const std::uint64_t promised_bytes = more ? *prologue.payload_bytes : payload.size();
  if (promised_bytes > settings_.payload_bytes_max) return breach("a payload over the agreed size");
  Result<Answer> answer;
  if (auto verdict = take_descriptors(frame, answer->descriptors); !verdict) return verdict;
  if (more) {
    return begin_answer(*slot, promised_bytes, payload, std::move(answer->descriptors));
  }
  OutgoingCall* const call = slot->call;
  if (call != nullptr) answer->payload.append(pool_, payload);
  free_slot(*slot);
  if (call != nullptr) finish(*call, std::move(answer));
  return {};
}

Session::Verdict Session::begin_answer(OutgoingSlot& slot, std::uint64_t promised_bytes,
                                       std::span<const std::byte> payload,
                                       std::vector<Descriptor>&& descriptors) {
  slot.answer = std::make_unique<PartialAnswer>();
  slot.answer->missing_bytes = promised_bytes;
  slot.answer->answer.descriptors = std::move(descriptors);
  return add_to_answer(slot, payload, true);
}

Session::Verdict Session::add_to_answer(OutgoingSlot& slot, std::span<const std::byte> payload,
                                        bool more) {
  PartialAnswer& partial = *slot.answer;
  if (payload.size() > partial.missing_bytes) return breach("a payload longer than announced");
  partial.missing_bytes -= payload.size();
  if (slot.call != nullptr) partial.answer.payload.append(pool_, payload);
  if (more) return {};
  if (partial.missing_bytes != 0) return breach("a payload shorter than announced");
  OutgoingCall* const call = slot.call;
  Result<Answer> answer = std::move(partial.answer);
  free_slot(slot);
  if (call != nullptr) finish(*call, std::move(answer));
  return {};
}

Session::Verdict Session::take_error(const wire::Frame& frame) {
  OutgoingSlot* const slot = outgoing(frame.header.id);
  if (slot == nullptr) return breach("an error for no call");
  const auto error = wire::decode_error(frame.body);
  if (!error) return breach("malformed error");
  OutgoingCall* const call = slot->call;
  if (call != nullptr && call->stage_ == OutgoingCall::Stage::partly) {
    return breach("an error for half a call");
  }
  free_slot(*slot);
  if (call != nullptr) finish(*call, std::unexpected(failure_of(*error)));
  return {};
}

Session::Verdict Session::take_drain(const wire::Frame& frame) {
  if (peer_drains_) return breach("a second DRAIN");
  if (frame.header.id > sequence_) return breach("DRAIN that counts calls not made");
  peer_drains_ = true;
  const Failure draining(Outcome::not_sent, Cause::draining, "the server is stopping");
  while (OutgoingCall* const call = waiting_.front()) {
    waiting_.remove(*call);
    finish(*call, std::unexpected(draining));
  }
  const auto accepted = [&](std::uint64_t id) {
    return CallId::of(id).sequence <= frame.header.id;
  };
  // One-way calls in pieces have no slot; those behind the count end here, the others go on.
  for (std::size_t i = 0; i < fragments_.size();) {
    OutgoingCall* const call = fragments_[i].call;
    if (call == nullptr || !call->one_way || accepted(call->id_)) {
      ++i;
      continue;
    }
    drop_fragments(call->id_);
    finish(*call, std::unexpected(draining));
  }
  // They are in the order of their last bytes, which need not be that of their numbers.
  for (OutgoingCall* call = one_ways_.front(); call != nullptr;) {
    if (accepted(call->id_)) {
      call = call->next_;
      continue;
    }
    one_ways_.remove(*call);
    finish(*call, std::unexpected(draining));
    call = one_ways_.front();  // whoever heard of it may have changed the list
  }
  for (OutgoingSlot& slot : outgoing_) {
    if (slot.id == 0 || accepted(slot.id)) continue;
    OutgoingCall* const call = slot.call;
    drop_fragments(slot.id);
    free_slot(slot);
    if (call != nullptr) finish(*call, std::unexpected(draining));
  }
  events_.on_drain();
  return {};
}

}  // namespace tincan::protocol
