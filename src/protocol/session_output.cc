#include <algorithm>
#include <cstring>

#include "base/check.h"
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
  return payload_bytes <= limits::fragment_bytes_max - wire::encoded_prologue_bytes_max;
}

/// Words for something that exceeds a limit; apart from the calls that hardly ever need it, which
/// are short without.
[[gnu::cold, gnu::noinline]] std::string excess(const char* what, std::uint64_t count,
                                                const char* who_takes, std::uint64_t limit) {
  return what + std::to_string(count) + who_takes + std::to_string(limit);
}

}  // namespace

bool Session::has_room() const { return outbox_.unsent_bytes() < room_bytes; }

void Session::complete_one_way_calls() {
  while (OutgoingCall* const call = one_ways_.front()) {
    if (call->end_ > outbox_.written()) return;
    one_ways_.remove(*call);
    finish(*call, Result<Answer>());
  }
}

Result<void> Session::start(OutgoingCall& call) {
  TINCAN_CHECK(call.stage_ == OutgoingCall::Stage::idle);
  if (ended_ || !greeted_) return std::unexpected(Failure(Cause::closed));
  if (peer_drains_) {
    return std::unexpected(Failure(Cause::draining, "the server is stopping"));
  }
  if (call.payload.size() > peer_.payload_bytes_max) {
    return std::unexpected(
        Failure(Cause::too_large, excess("a payload of ", call.payload.size(),
                                         " bytes; the server takes ", peer_.payload_bytes_max)));
  }
  if (call.descriptors.size() > peer_.descriptors_max) {
    return std::unexpected(Failure(
        Cause::unsupported, excess("", call.descriptors.size(), " descriptors; the server takes ",
                                   peer_.descriptors_max)));
  }
  if (waiting_.empty() && may_begin(call)) {
    begin(call);
  } else {
    call.stage_ = OutgoingCall::Stage::queued;
    waiting_.push(call);
  }
  return {};
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

bool Session::may_begin(const OutgoingCall& call) const {
  if (!has_room()) return false;
  const std::size_t most = std::min(peer_.calls_in_flight_max, settings_.outgoing_calls_max);
  if (!call.one_way) return used_slots_ < most;
  // One-way calls have no slot that bounds how many are in pieces at once.
  return fits_one_frame(call.payload.size()) || fragments_.size() < most;
}

std::uint16_t Session::take_slot() {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint16_t>(outgoing_.size()));
    outgoing_.emplace_back();
  }
  const std::uint16_t slot = free_slots_.back();
  free_slots_.pop_back();
  ++used_slots_;
  return slot;
}

void Session::free_slot(OutgoingSlot& slot) {
  free_slots_.push_back(CallId::of(slot.id).slot);
  slot.id = 0;
  slot.call = nullptr;
  slot.answer.reset();
  --used_slots_;
}

void Session::begin(OutgoingCall& call) {
  CallId id{.slot = CallId::no_slot, .sequence = ++sequence_};
  if (!call.one_way) id.slot = take_slot();
  call.id_ = id.value();
  if (!call.one_way) {
    outgoing_[id.slot].id = call.id_;
    outgoing_[id.slot].call = &call;
  }
  wire::Prologue prologue;
  prologue.method = call.method;
  prologue.deadline = call.deadline.nanoseconds();
  prologue.idempotent = call.idempotent;
  const std::uint8_t flags = call.one_way ? wire::flag_one_way : 0;
  encode_first(
      {.body_bytes = 0, .kind = Kind::call, .flags = flags, .descriptors = 0, .id = call.id_},
      prologue, call.payload, std::move(call.descriptors), &call);
}

void Session::encode_first(wire::FrameHeader header, wire::Prologue& prologue,
                           std::span<const std::byte> payload,
                           std::vector<Descriptor>&& descriptors, OutgoingCall* call) {
  const bool more = !fits_one_frame(payload.size());
  if (more) prologue.payload_bytes = payload.size();
  header.descriptors = static_cast<std::uint16_t>(descriptors.size());
  if (more) header.flags |= wire::flag_more;

  const std::size_t first_bytes_max = std::min(payload.size(), limits::fragment_bytes_max);
  std::byte* const out =
      outbox_.prepare(sizeof header + wire::encoded_prologue_bytes_max + first_bytes_max);
  outbox_.attach(std::move(descriptors));
  const std::uint64_t position = outbox_.position();
  const wire::PrologueLayout layout = wire::encode_prologue(prologue, out + sizeof header);
  const std::size_t count = std::min(payload.size(), limits::fragment_bytes_max - layout.bytes);
  header.body_bytes = static_cast<std::uint32_t>(layout.bytes + count);
  std::memcpy(out, &header, sizeof header);
  if (count > 0) std::memcpy(out + sizeof header + layout.bytes, payload.data(), count);
  outbox_.commit(sizeof header + header.body_bytes);

  if (call != nullptr) {
    call->deadline_position_ = position + sizeof header + layout.deadline;
    call->stage_ = OutgoingCall::Stage::partly;
  }
  if (more) {
    fragments_.push_back({.kind = header.kind,
                          .id = header.id,
                          .call = call,
                          .rest = payload.subspan(count),
                          .owned = {}});
    fragments_bytes_ += payload.size() - count;
  } else if (call != nullptr) {
    completed(*call);
  }
}

void Session::put_bare(Kind kind, std::uint64_t id) {
  const auto header = wire::FrameHeader::bare(kind, id);
  std::memcpy(outbox_.prepare(sizeof header), &header, sizeof header);
  outbox_.commit(sizeof header);
}

void Session::put_error(std::uint64_t id, const wire::Error& error) {
  outbox_.commit(wire::encode_error(id, error, outbox_.prepare(wire::encoded_error_bytes_max)));
}

void Session::completed(OutgoingCall& call) {
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
  std::memcpy(out + sizeof header, message.rest.data(), count);
  outbox_.commit(sizeof header + count);
  message.rest = message.rest.subspan(count);
  fragments_bytes_ -= count;
}

void Session::drop_fragments(std::uint64_t id) {
  // A reply of ours, to a call of the peer's, may have the same id.
  const auto found = std::ranges::find_if(fragments_, [&](const Fragments& message) {
    return message.kind == Kind::call && message.id == id;
  });
  if (found == fragments_.end()) return;
  fragments_bytes_ -= found->rest.size();
  fragments_.erase(found);
}

bool Session::give_up(OutgoingCall& call) {
  using Stage = OutgoingCall::Stage;
  const auto detach = [&] {
    if (OutgoingSlot* const slot = outgoing(call.id_)) slot->call = nullptr;
    call.stage_ = Stage::idle;
  };
  switch (call.stage_) {
    case Stage::idle:
      return true;
    case Stage::queued:
      waiting_.remove(call);
      call.stage_ = Stage::idle;
      return true;
    case Stage::partly:
      // The server cannot run what it never gets whole. Its answer to the cancel frees the slot.
      put_bare(Kind::cancel, call.id_);
      drop_fragments(call.id_);
      detach();
      return true;
    case Stage::whole: {
      // As long as its deadline is ours to change, the call can still be made one that the server
      // must not run: it has expired.
      const std::int64_t expired = INT64_MIN;
      if (outbox_.patch(call.deadline_position_, std::as_bytes(std::span(&expired, 1)))) {
        if (call.one_way) one_ways_.remove(call);
        detach();
        return true;
      }
      if (!call.one_way) put_bare(Kind::cancel, call.id_);
      call.stage_ = Stage::given_up;
      return false;
    }
    case Stage::given_up:
      return false;
  }
  return false;
}

void Session::abandon(OutgoingCall& call) {
  using Stage = OutgoingCall::Stage;
  if (call.stage_ == Stage::queued || call.stage_ == Stage::partly) {
    [[maybe_unused]] const bool not_sent = give_up(call);
  }
  if (call.stage_ == Stage::idle) return;
  if (call.one_way) one_ways_.remove(call);
  if (OutgoingSlot* const slot = outgoing(call.id_)) slot->call = nullptr;
  call.stage_ = Stage::idle;
}

void Session::finish(OutgoingCall& call, Result<Answer>&& result) {
  call.stage_ = OutgoingCall::Stage::idle;
  events_.on_end(call, std::move(result));
}

void Session::tag(std::uint64_t id, void* tag) {
  if (IncomingSlot* const slot = incoming(id)) slot->tag = tag;
}

Delivery Session::reply(std::uint64_t id, std::span<const std::byte> payload,
                        std::vector<Descriptor>&& descriptors) {
  IncomingSlot* const slot = incoming(id);
  if (slot == nullptr || ended_) return Delivery::gone;
  if (payload.size() > peer_.payload_bytes_max) {
    fail(id, {.reason = wire::Reason::reply_lost,
              .text = excess("the handler answered with ", payload.size(),
                             " bytes; the caller takes ", peer_.payload_bytes_max)});
    return Delivery::too_large;
  }
  if (descriptors.size() > peer_.descriptors_max) {
    fail(id, {.reason = wire::Reason::reply_lost,
              .text = excess("the handler answered with ", descriptors.size(),
                             " descriptors; the caller takes ", peer_.descriptors_max)});
    return Delivery::descriptors;
  }
  *slot = IncomingSlot();
  --calls_to_answer_;
  wire::Prologue prologue;
  encode_first({.body_bytes = 0, .kind = Kind::reply, .flags = 0, .descriptors = 0, .id = id},
               prologue, payload, std::move(descriptors), nullptr);
  if (!fragments_.empty() && fragments_.back().id == id && fragments_.back().kind == Kind::reply &&
      !fragments_.back().rest.empty()) {
    // The answer is the handler's memory, which it may free now.
    Fragments& message = fragments_.back();
    message.owned.append(pool_, message.rest);
    message.rest = message.owned.bytes();
  }
  return Delivery::queued;
}

Delivery Session::fail(std::uint64_t id, const wire::Error& error) {
  IncomingSlot* const slot = incoming(id);
  if (slot == nullptr || ended_) return Delivery::gone;
  *slot = IncomingSlot();
  --calls_to_answer_;
  put_error(id, error);
  return Delivery::queued;
}

void Session::release(std::size_t payload_bytes, bool one_way, std::size_t descriptors) {
  held_bytes_ -= payload_bytes;
  held_descriptors_ -= static_cast<std::uint32_t>(descriptors);
  if (one_way) --held_one_ways_;
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
