#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/no_memory.h"
#include "protocol/session.h"

namespace tincan::protocol {

namespace {

using wire::CallId;
using wire::Kind;

/// Pings are answered while no more than this waits to be written. Chosen: above what a session
/// encodes ahead, and above where it stops reading if it ever does.
std::uint64_t pings_outgoing_bytes_max(const Settings& settings) {
  const bool never_stops = settings.outgoing_bytes_pause == UINT64_MAX;
  const std::uint64_t pause =
      never_stops ? limits::outgoing_bytes_pause : settings.outgoing_bytes_pause;
  const std::uint64_t ahead = 8 * limits::fragment_bytes_max;
  return pause > UINT64_MAX - ahead ? UINT64_MAX : pause + ahead;
}
/// Clocks this close are the same clock, and the difference is the time between reading them.
/// Time namespaces that differ do so by the age of a checkpoint: minutes to years.
constexpr std::int64_t same_clock_nanoseconds = 100'000'000;

/// What a stranger said instead of HELLO, made safe to print: `bytes`, after so many of the
/// preamble.
Failure stranger(std::size_t preamble_bytes, std::span<const std::byte> bytes) {
  static constexpr std::size_t shown_bytes_max = 16;
  std::string said(wire::preamble.substr(0, preamble_bytes));
  for (const std::byte byte : bytes.first(std::min(bytes.size(), shown_bytes_max))) {
    const char character = static_cast<char>(byte);
    said += character >= ' ' && character <= '~' ? character : '.';
  }
  return Failure(Cause::not_tincan, "it said \"" + said + "\" instead of HELLO");
}

}  // namespace

std::expected<std::size_t, Failure> Session::receive(std::span<const std::byte> bytes) {
  const std::size_t offered = bytes.size();
  stopped_early_ = false;
  if (!take_frames(bytes)) return why_over();
  // Descriptors come with the first byte of their frame, so at most one frame can still lack its
  // other bytes while its descriptors are here.
  if (arrived_.size() > 1 && !stopped_early_) {
    if (!breach("descriptors that no frame announced")) return why_over();
  }
  return offered - bytes.size();
}

std::unexpected<Failure> Session::why_over() { return std::unexpected(std::move(*over_)); }

/// Takes frames off the front of `bytes`. What nearly all of them are goes the short way: for those
/// it is known that whatever `take_other` would look at is as it should be.
inline Verdict Session::take_frames(std::span<const std::byte>& bytes) {
  if (preamble_bytes_ < wire::preamble.size()) {
    if (auto verdict = take_preamble(bytes); !verdict) return verdict;
  }
  wire::Frame frame;
  constexpr std::size_t header_bytes = sizeof frame.header;
  for (std::uint32_t left = settings_.frames_per_receive; bytes.size() >= header_bytes && !ended_;
       --left) {
    if (left == 0 || !wants_input()) {
      stopped_early_ = true;
      break;
    }
    std::memcpy(&frame.header, bytes.data(), header_bytes);
    Verdict verdict;
    if (greeted_ && wire::is_plain(frame.header)) {
      if (bytes.size() - header_bytes < frame.header.body_bytes) break;
      frame.body = bytes.subspan(header_bytes, frame.header.body_bytes);
      verdict = frame.header.kind == Kind::call ? take_call(frame) : take_reply(frame);
    } else {
      const wire::Parsed parsed = wire::parse_frame(bytes);
      if (parsed.state == wire::Parsed::State::incomplete) break;
      frame.body = parsed.frame.body;
      verdict = take_other(parsed);
      left -= std::min(left - 1, std::exchange(taken_besides_, 0));
    }
    if (!verdict) return verdict;
    bytes = bytes.subspan(header_bytes + frame.body.size());
    if (std::exchange(input_moved_, false)) {
      return bytes.empty() ? Verdict() : breach("bytes behind the end of a stream");
    }
  }
  return {};
}

Verdict Session::take_other(const wire::Parsed& parsed) {
  if (parsed.state == wire::Parsed::State::breach) return breach(parsed.breach);
  return dispatch(parsed.frame);
}

Verdict Session::take_preamble(std::span<const std::byte>& bytes) {
  const auto rest = std::as_bytes(std::span(wire::preamble)).subspan(preamble_bytes_);
  const std::size_t count = std::min(rest.size(), bytes.size());
  if (!std::ranges::equal(bytes.first(count), rest.first(count))) {
    return over(stranger(preamble_bytes_, bytes));
  }
  preamble_bytes_ = static_cast<std::uint8_t>(preamble_bytes_ + count);
  bytes = bytes.subspan(count);
  return {};
}

Verdict Session::dispatch(const wire::Frame& frame) {
  const Kind kind = frame.header.kind;
  if (kind == Kind::error && frame.header.id == 0) {
    const auto error = wire::decode_error(frame.body);
    peer_said_goodbye_ = error.has_value();
    return error ? over(failure_of(*error)) : breach("malformed error");
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
      return take_ping(frame);
    case Kind::pong:
      return {};
    case Kind::upgrade:
      if (may(wire::ability_ring)) return take_upgrade(frame);
      break;
    case Kind::handover:
      if (may(wire::ability_handover)) return take_handover(frame);
      break;
    case Kind::release:
      if (may(wire::ability_handover)) return take_release(frame);
      break;
    case Kind::push:
    case Kind::subscribe:
    case Kind::credit:
    case Kind::revoke:
      break;
  }
  return breach(std::string(wire::name(kind)) + " without the ability for it");
}

Verdict Session::take_ping(const wire::Frame& frame) {
  if (outbox_.unsent_bytes() > pings_outgoing_bytes_max(settings_)) {
    return breach("pings, and reads nothing");
  }
  put_bare(Kind::pong, frame.header.id);
  return {};
}

Verdict Session::take_upgrade(const wire::Frame& frame) {
  const auto upgrade = wire::decode_upgrade(frame.body);
  if (!upgrade) return breach("malformed UPGRADE");
  if (frame.header.descriptors != wire::Upgrade::descriptors_with(upgrade->step)) {
    return breach("UPGRADE with another number of descriptors");
  }
  std::vector<Descriptor> descriptors;
  if (auto verdict = take_announced(frame, descriptors); !verdict) return verdict;
  input_moved_ = wire::Upgrade::ends_the_stream(upgrade->step);
  const char* const wrong = events_.on_upgrade(frame.header.id, *upgrade, std::move(descriptors));
  return wrong == nullptr ? Verdict() : breach(wrong);
}

Verdict Session::take_hello(const wire::Frame& frame) {
  if (greeted_) return breach("a second HELLO");
  const auto hello = wire::decode_hello(frame.body);
  if (!hello) return breach("malformed HELLO");
  if (settings_.nonce != 0 && hello->nonce == settings_.nonce) {
    return over(Failure(Cause::not_tincan, "it sends back what it is sent"));
  }
  if (hello->version_lowest > wire::version || hello->version_highest < wire::version) {
    return over(Failure(Cause::unsupported, "it speaks protocol " +
                                                std::to_string(hello->version_lowest) + " to " +
                                                std::to_string(hello->version_highest) +
                                                ", we speak " + std::to_string(wire::version)));
  }
  peer_ = *hello;
  peer_.calls_in_flight_max =
      std::min<std::uint32_t>(peer_.calls_in_flight_max, limits::calls_in_flight_ceiling);
  peer_.descriptors_max =
      std::min<std::uint32_t>(peer_.descriptors_max, limits::message_descriptors_max);
  peer_.loans_max = std::min(peer_.loans_max, limits::loans_ceiling);
  peer_.payload_bytes_max = std::min(peer_.payload_bytes_max, limits::memory_bytes_ceiling);
  peer_.loan_bytes_max = std::min(peer_.loan_bytes_max, limits::memory_bytes_ceiling);
  std::int64_t shift;
  const bool overflows =
      __builtin_sub_overflow(hello->clock_offset_nanoseconds, clock_shift_nanoseconds_, &shift);
  if (overflows || shift == INT64_MIN) return breach("an impossible clock");
  clock_shift_nanoseconds_ = std::abs(shift) < same_clock_nanoseconds ? 0 : shift;
  greeted_ = true;
  if (settings_.always_takes_loans && may(wire::ability_handover)) take_loans();
  events_.on_hello();
  return {};
}

Moment Session::shifted(std::int64_t peer_nanoseconds) const {
  if (peer_nanoseconds == Moment::never().nanoseconds()) return Moment::never();
  std::int64_t ours;
  if (__builtin_add_overflow(peer_nanoseconds, clock_shift_nanoseconds_, &ours)) {
    return clock_shift_nanoseconds_ > 0 ? Moment::never() : Moment(INT64_MIN);
  }
  return Moment(ours);
}

Verdict Session::take_arrived(const wire::Frame& frame, std::vector<Descriptor>& descriptors) {
  if (frame.header.descriptors > settings_.descriptors_max) {
    return breach("more descriptors than we accept");
  }
  return take_announced(frame, descriptors);
}

/// Those that the frame says it has, of whatever kind it is.
Verdict Session::take_announced(const wire::Frame& frame, std::vector<Descriptor>& descriptors) {
  if (frame.header.descriptors == 0) return {};
  if (arrived_.empty() || arrived_.front().size() != frame.header.descriptors) {
    return breach("announced " + std::to_string(frame.header.descriptors) +
                  " descriptors, of which " +
                  std::to_string(arrived_.empty() ? 0 : arrived_.front().size()) + " arrived");
  }
  descriptors = std::move(arrived_.front());
  arrived_.erase(arrived_.begin());
  return {};
}

Verdict Session::take_drain(const wire::Frame& frame) {
  if (peer_drains_) return breach("a second DRAIN");
  if (frame.header.id > sequence_) return breach("DRAIN that counts calls not made");
  peer_drains_ = true;
  const Failure draining(Outcome::not_sent, Cause::draining, "the server is stopping");
  while (OutgoingCall* const call = waiting_.front()) {
    waiting_.remove(*call);
    fail_call(*call, end_of_call(draining, Outcome::not_sent));
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
    fail_call(*call, end_of_call(draining, Outcome::not_sent));
  }
  // They are in the order of their last bytes, which need not be that of their numbers.
  for (OutgoingCall* call = one_ways_.front(); call != nullptr;) {
    if (accepted(call->id_)) {
      call = call->next_;
      continue;
    }
    one_ways_.remove(*call);
    fail_call(*call, end_of_call(draining, Outcome::not_sent));
    call = one_ways_.front();  // whoever heard of it may have changed the list
  }
  for (OutgoingSlot& slot : outgoing_) {
    if (slot.id == 0 || accepted(slot.id)) continue;
    OutgoingCall* const call = slot.call;
    drop_fragments(slot.id);
    free_slot(slot);
    if (call != nullptr) fail_call(*call, end_of_call(draining, Outcome::not_sent));
  }
  events_.on_drain();
  return {};
}

}  // namespace tincan::protocol
