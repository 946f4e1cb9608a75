#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "protocol/excess.h"
#include "protocol/session.h"

namespace tincan::protocol {

namespace {

using wire::CallId;
using wire::Kind;

/// Calls and further fragments are put on the stream while fewer bytes than this wait to be
/// written. Chosen: four fragments, so that a write is never short of bytes and a later small call
/// never far behind.
constexpr std::size_t room_bytes = 4 * limits::fragment_bytes_max;

constexpr bool fits_one_frame(std::size_t payload_bytes) {
  return payload_bytes <= limits::fragment_bytes_max;
}

}  // namespace

inline bool Session::has_room() const { return outbox_.unsent_bytes() < room_bytes; }

void Session::complete_one_way_calls() {
  while (OutgoingCall* const call = one_ways_.front()) {
    if (call->end_ > outbox_.written()) return;
    one_ways_.remove(*call);
    finish(*call);
  }
}

Result<void> Session::start(OutgoingCall& call) {
  TINCAN_CHECK(call.stage_ == OutgoingCall::Stage::idle);
  if (ended_ || !greeted_ || peer_drains_ || call.payload.size() > peer_.payload_bytes_max ||
      call.descriptors.size() > peer_.descriptors_max || call.is_batch) {
    if (auto refused = refusal_of(call); !refused) return refused;
  }
  if (call.lending.memory != nullptr) [[unlikely]] {
    if (auto lent = refusal_to_lend(call.lending); !lent) return lent;
  }
  if (waiting_.empty() && may_begin(call)) {
    begin(call);
  } else {
    call.stage_ = OutgoingCall::Stage::queued;
    waiting_.push(call);
  }
  return {};
}

/// Why it cannot be started, if there is a reason.
Result<void> Session::refusal_of(const OutgoingCall& call) const {
  if (ended_ || !greeted_) return std::unexpected(Failure(Cause::closed));
  if (peer_drains_) {
    return std::unexpected(Failure(Cause::draining, "the server is stopping"));
  }
  const std::size_t bytes = call.is_batch ? call.message_bytes_max : call.payload.size();
  if (bytes > peer_.payload_bytes_max) {
    return std::unexpected(Failure(
        Cause::too_large,
        excess("a payload of ", bytes, " bytes; the server takes ", peer_.payload_bytes_max)));
  }
  if (call.is_batch) {
    if (may(wire::ability_batch)) return {};
    return std::unexpected(Failure(Cause::unsupported, "the server takes no batches"));
  }
  return std::unexpected(Failure(
      Cause::unsupported, excess("", call.descriptors.size(), " descriptors; the server takes ",
                                 peer_.descriptors_max)));
}

void Session::begin_waiting_calls() {
  while (OutgoingCall* const call = waiting_.front()) {
    if (!may_begin(*call)) return;
    waiting_.remove(*call);
    try {
      begin(*call);
    } catch (const std::bad_alloc&) {
      if (outgoing(call->id_) == nullptr) waiting_.push(*call);  // where `end` finds it
      throw;
    }
  }
}

inline bool Session::may_begin(const OutgoingCall& call) {
  if (!has_room()) return false;
  if (call.lending.memory != nullptr && !may_begin_lending(call.lending)) return false;
  const std::size_t most = std::min(peer_.calls_in_flight_max, settings_.outgoing_calls_max);
  if (!call.one_way) return used_slots_ < most;
  // One-way calls have no slot that bounds how many are in pieces at once.
  return fits_one_frame(call.payload.size()) || fragments_.size() < most;
}

inline std::uint16_t Session::take_slot() {
  const std::uint16_t slot = first_free_slot_;
  if (slot == CallId::no_slot) {
    outgoing_.emplace_back();
    ++used_slots_;
    return static_cast<std::uint16_t>(outgoing_.size() - 1);
  }
  first_free_slot_ = outgoing_[slot].next_free;
  ++used_slots_;
  return slot;
}

void Session::begin(OutgoingCall& call) {
  CallId id{.slot = CallId::no_slot, .sequence = ++sequence_};
  if (!call.one_way) [[likely]] {
    id.slot = take_slot();
    outgoing_[id.slot].id = id.value();
    outgoing_[id.slot].call = &call;
  }
  call.id_ = id.value();
  if (!fits_one_frame(call.payload.size())) return begin_in_fragments(call);
  if (call.is_batch) return begin_batch(call);
  if (call.lending.memory != nullptr) [[unlikely]]
    return begin_with_loan(call);
  encode_call<false>(call);
  completed(call);
}

inline wire::Prologue Session::prologue_of(const OutgoingCall& call) const {
  wire::Prologue prologue;
  prologue.method = call.method;
  prologue.deadline = call.deadline.nanoseconds();
  prologue.idempotent = call.idempotent;
  if (cpu_ != cpu_unknown) prologue.cpu = cpu_;
  return prologue;
}

/// Writes header and prologue in front of it, which makes it a frame. What is unsent goes first.
void Session::begin_batch(OutgoingCall& call) {
  const wire::Prologue prologue = prologue_of(call);
  std::byte encoded[wire::encoded_prologue_bytes_max];
  const wire::PrologueLayout layout = wire::encode_prologue(prologue, encoded);
  const wire::FrameHeader header{
      .body_bytes = static_cast<std::uint32_t>(layout.bytes + call.payload.size()),
      .kind = Kind::call,
      .flags = wire::flag_one_way | wire::flag_batch,
      .descriptors = 0,
      .id = call.id_};
  std::byte* const begin = call.batch_begin - layout.bytes - sizeof header;
  std::memcpy(begin, &header, sizeof header);
  std::memcpy(begin + sizeof header, encoded, layout.bytes);
  const std::span<const std::byte> frame(begin, call.payload.data() + call.payload.size());
  call.deadline_position_ = outbox_.position() + sizeof header + layout.deadline;
  call.stage_ = OutgoingCall::Stage::partly;
  if (outbox_.may_lend()) {
    outbox_.lend(frame);
  } else {
    outbox_.append(frame);
  }
  completed(call);
}

void Session::begin_in_fragments(OutgoingCall& call) {
  const std::size_t count = encode_call<true>(call);
  add_fragments({.kind = Kind::call,
                 .id = call.id_,
                 .call = &call,
                 .rest = call.payload.subspan(count),
                 .owned = {}});
}

inline wire::FrameHeader Session::header_of(const OutgoingCall& call) {
  const std::uint8_t flags = call.one_way ? wire::flag_one_way : 0;
  return {.body_bytes = 0, .kind = Kind::call, .flags = flags, .descriptors = 0, .id = call.id_};
}

void Session::begin_with_loan(OutgoingCall& call) {
  const FirstFrame first =
      encode_lent(header_of(call), prologue_of(call), call.lending, call.descriptors);
  call.deadline_position_ = first.deadline;
  completed(call);
}

/// Hands the memory over, if that is still to be done, and puts the message behind it that names
/// it.
Session::FirstFrame Session::encode_lent(wire::FrameHeader header, wire::Prologue prologue,
                                         Lending& lending, std::vector<Descriptor>& descriptors) {
  LoansOut::Loan& loan = hand_over(lending);
  prologue.loan = wire::LentPayload{.number = loan.number, .bytes = lending.bytes};
  const FirstFrame first = encode_first<false>(header, prologue, {}, descriptors);
  name_loan(loan, lending);
  return first;
}

/// Puts its first frame on the stream, and returns how much of the payload is in it.
template <bool more>
inline std::size_t Session::encode_call(OutgoingCall& call) {
  const FirstFrame first =
      encode_first<more>(header_of(call), prologue_of(call), call.payload, call.descriptors);
  call.deadline_position_ = first.deadline;
  call.stage_ = OutgoingCall::Stage::partly;
  return first.payload_bytes;
}

/// Inlined four times, for calls and for answers, small and large: their prologues have hardly a
/// field in common.
template <bool more>
inline Session::FirstFrame Session::encode_first(wire::FrameHeader header, wire::Prologue prologue,
                                                 std::span<const std::byte> payload,
                                                 std::vector<Descriptor>& descriptors) {
  std::size_t count = payload.size();
  if constexpr (more) {
    prologue.payload_bytes = count;
    header.flags |= wire::flag_more;
    count = std::min(count, limits::fragment_bytes_max);
  }
  std::byte* const out = outbox_.prepare(sizeof header + wire::encoded_prologue_bytes_max + count);
  const std::uint64_t position = outbox_.position();
  const wire::PrologueLayout layout = wire::encode_prologue(prologue, out + sizeof header);
  if (!descriptors.empty()) [[unlikely]] {
    header.descriptors = static_cast<std::uint16_t>(descriptors.size());
    outbox_.attach(std::move(descriptors));
  }
  header.body_bytes = static_cast<std::uint32_t>(layout.bytes + count);
  std::memcpy(out, &header, sizeof header);
  // memcpy takes no null, which an empty payload may have.
  if (count > 0) [[likely]] {
    std::memcpy(out + sizeof header + layout.bytes, payload.data(), count);
  }
  outbox_.commit(sizeof header + layout.bytes + count);
  return {.payload_bytes = count, .deadline = position + sizeof header + layout.deadline};
}

void Session::add_fragments(Fragments&& message) {
  const std::size_t bytes = message.rest.size();
  fragments_.push_back(std::move(message));
  fragments_bytes_ += bytes;
}

void Session::put_bare(Kind kind, std::uint64_t id) {
  const auto header = wire::FrameHeader::bare(kind, id);
  std::memcpy(outbox_.prepare(sizeof header), &header, sizeof header);
  outbox_.commit(sizeof header);
}

void Session::put_error(std::uint64_t id, const wire::Error& error) {
  outbox_.commit(wire::encode_error(id, error, outbox_.prepare(wire::encoded_error_bytes_max)));
}

inline void Session::completed(OutgoingCall& call) {
  call.stage_ = OutgoingCall::Stage::whole;
  call.end_ = outbox_.position();
  if (call.one_way) one_ways_.push(call);
}

void Session::encode_next_fragments() {
  while (!fragments_.empty() && has_room()) {
    // In turn, one fragment of each, so that no large payload waits for another.
    next_fragments_ %= fragments_.size();
    Fragments& message = fragments_[next_fragments_];
    encode_next_fragment(message);
    if (!message.rest.empty()) {
      ++next_fragments_;
      continue;
    }
    OutgoingCall* const call = message.call;
    fragments_.erase(fragments_.begin() + static_cast<std::ptrdiff_t>(next_fragments_));
    if (call != nullptr) completed(*call);
  }
}

void Session::encode_next_fragment(Fragments& message) {
  const std::size_t count = std::min(message.rest.size(), limits::fragment_bytes_max);
  std::uint8_t flags = wire::flag_continued;
  if (count < message.rest.size()) flags |= wire::flag_more;
  if (message.call != nullptr && message.call->one_way) flags |= wire::flag_one_way;
  const wire::FrameHeader header{.body_bytes = static_cast<std::uint32_t>(count),
                                 .kind = message.kind,
                                 .flags = flags,
                                 .descriptors = 0,
                                 .id = message.id};
  std::byte* const out = outbox_.prepare(sizeof header + count);
  std::memcpy(out, &header, sizeof header);
  // The last fragment may be empty, and memcpy takes no null.
  if (count > 0) std::memcpy(out + sizeof header, message.rest.data(), count);
  outbox_.commit(sizeof header + count);
  message.rest = message.rest.subspan(count);
  fragments_bytes_ -= count;
}

Delivery Session::reply(std::uint64_t id, std::span<const std::byte> payload,
                        std::vector<Descriptor>&& descriptors) {
  IncomingSlot* const slot = incoming(id);
  if (slot == nullptr || ended_) return Delivery::gone;
  if (payload.size() > peer_.payload_bytes_max || descriptors.size() > peer_.descriptors_max) {
    return fail_to_reply(id, payload.size(), descriptors.size());
  }
  *slot = IncomingSlot();
  --calls_to_answer_;
  const wire::FrameHeader header{
      .body_bytes = 0, .kind = Kind::reply, .flags = 0, .descriptors = 0, .id = id};
  if (!fits_one_frame(payload.size())) {
    reply_in_fragments(header, payload, descriptors);
  } else {
    wire::Prologue prologue;
    if (cpu_ != cpu_unknown) prologue.cpu = cpu_;
    encode_first<false>(header, prologue, payload, descriptors);
  }
  return Delivery::queued;
}

Delivery Session::reply_with_loan(std::uint64_t id, Lending&& lending,
                                  std::vector<Descriptor>&& descriptors) {
  IncomingSlot* const slot = incoming(id);
  if (slot == nullptr || ended_) return Delivery::gone;
  if (descriptors.size() > peer_.descriptors_max) return fail_to_reply(id, 0, descriptors.size());
  const auto may = refusal_to_lend(lending);
  if (!may || !may_begin_lending(lending)) {
    fail(id,
         {.reason = wire::Reason::reply_lost,
          .text = may ? "the caller takes no memory yet" : std::string_view(may.error().detail())});
    return Delivery::no_loan;
  }
  *slot = IncomingSlot();
  --calls_to_answer_;
  encode_lent({.body_bytes = 0, .kind = Kind::reply, .flags = 0, .descriptors = 0, .id = id}, {},
              lending, descriptors);
  return Delivery::queued;
}

void Session::reply_in_fragments(wire::FrameHeader header, std::span<const std::byte> payload,
                                 std::vector<Descriptor>& descriptors) {
  const FirstFrame first = encode_first<true>(header, {}, payload, descriptors);
  // The answer is the handler's memory, which it may free now.
  Payload owned;
  owned.append(pool_, payload.subspan(first.payload_bytes));
  const auto rest = owned.bytes();
  add_fragments({.kind = Kind::reply,
                 .id = header.id,
                 .call = nullptr,
                 .rest = rest,
                 .owned = std::move(owned)});
}

/// The caller does not take an answer of that size.
Delivery Session::fail_to_reply(std::uint64_t id, std::size_t bytes, std::size_t descriptors) {
  if (bytes > peer_.payload_bytes_max) {
    fail(id, {.reason = wire::Reason::reply_lost,
              .text = excess("the handler answered with ", bytes, " bytes; the caller takes ",
                             peer_.payload_bytes_max)});
    return Delivery::too_large;
  }
  fail(id, {.reason = wire::Reason::reply_lost,
            .text = excess("the handler answered with ", descriptors,
                           " descriptors; the caller takes ", peer_.descriptors_max)});
  return Delivery::descriptors;
}

Delivery Session::fail(std::uint64_t id, const wire::Error& error) {
  IncomingSlot* const slot = incoming(id);
  if (slot == nullptr || ended_) return Delivery::gone;
  *slot = IncomingSlot();
  --calls_to_answer_;
  put_error(id, error);
  return Delivery::queued;
}

void Session::drain() {
  if (drains_ || ended_) return;
  drains_ = true;
  put_bare(Kind::drain, peer_sequence_);
}

void Session::upgrade(std::uint64_t id, const wire::Upgrade& step,
                      std::vector<Descriptor>&& descriptors) {
  TINCAN_CHECK(descriptors.size() == wire::Upgrade::descriptors_with(step.step));
  outbox_.attach(std::move(descriptors));
  outbox_.commit(wire::encode_upgrade(id, step, outbox_.prepare(wire::encoded_upgrade_bytes_max)));
  if (wire::Upgrade::ends_the_stream(step.step)) outbox_.stop_here();
}

void Session::say_goodbye(const wire::Error& error) { put_error(0, error); }

}  // namespace tincan::protocol
