#include "wire/frame.h"

#include <array>

namespace tincan::wire {

namespace {

constexpr bool is_fragmented(Kind kind) {
  return kind == Kind::call || kind == Kind::reply || kind == Kind::push;
}

}  // namespace

const char* breach_of(const FrameHeader& header) {
  const auto kind = static_cast<std::uint8_t>(header.kind);
  if (kind == 0 || kind > kind_highest) return "unknown frame kind";
  if (header.body_bytes > limits::body_bytes_max) return "body over 69,634 bytes";
  if ((header.flags & ~flags_all) != 0) return "unknown frame flag";
  if (header.flags != 0 && !is_fragmented(header.kind)) return "flags on a frame that has none";
  if ((header.flags & flag_one_way) != 0 && header.kind != Kind::call) {
    return "only calls are one-way";
  }
  if ((header.flags & flag_batch) != 0 &&
      (header.flags != (flag_one_way | flag_batch) || header.descriptors != 0)) {
    return "a batch that is not one one-way frame without descriptors";
  }
  if (header.descriptors > limits::message_descriptors_max) return "over 253 descriptors";
  const bool may_carry = header.kind == Kind::call || header.kind == Kind::reply ||
                         header.kind == Kind::push || header.kind == Kind::upgrade ||
                         header.kind == Kind::handover;
  if (header.descriptors != 0 && (!may_carry || (header.flags & flag_continued) != 0)) {
    return "descriptors on a frame that takes none";
  }
  return nullptr;
}

Parsed parse_frame(std::span<const std::byte> input) {
  using State = Parsed::State;
  Parsed parsed{State::incomplete};
  FrameHeader& header = parsed.frame.header;
  if (input.size() < sizeof header) return parsed;
  std::memcpy(&header, input.data(), sizeof header);
  if (const char* const breach = breach_of(header)) return {State::breach, {}, breach};
  if (input.size() - sizeof header < header.body_bytes) return parsed;
  parsed.state = State::whole;
  parsed.frame.body = input.subspan(sizeof header, header.body_bytes);
  return parsed;
}

std::string_view name(Kind kind) {
  static constexpr std::array<std::string_view, kind_highest + 1> names = {
      "0",      "hello", "call", "reply", "error",   "cancel", "push",     "subscribe",
      "credit", "drain", "ping", "pong",  "upgrade", "revoke", "handover", "release"};
  const auto index = static_cast<std::size_t>(kind);
  return index < names.size() ? names[index] : "unknown";
}

}  // namespace tincan::wire
