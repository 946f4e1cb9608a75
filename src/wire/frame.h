#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "tincan/limits.h"

/// The fixed part of the wire. Specified in docs/wire-format.md; change both or neither.
namespace tincan::wire {

// Both ends share a machine, and every machine we build for is little-endian, like the wire.
static_assert(std::endian::native == std::endian::little);

/// What each side writes before its first frame: readable, for whoever listens in by mistake.
inline constexpr std::string_view preamble = "TINCAN/1 HELLO\r\n";
inline constexpr std::uint16_t version = 1;

enum class Kind : std::uint8_t {
  hello = 1,   ///< Once, first, from both sides.
  call = 2,    ///< A call of the sender's; fragmented.
  reply = 3,   ///< Answers a call of the receiver's; fragmented.
  error = 4,   ///< Answers a call with an error; with id 0 it ends the connection.
  cancel = 5,  ///< The sender gives its call up.
  push = 6,    ///< To a subscriber; needs the ability.
  subscribe = 7,
  credit = 8,
  drain = 9,  ///< The sender takes no more calls; the id is the count it accepted.
  ping = 10,
  pong = 11,
  upgrade = 12,  ///< To the ring and back; needs the ability.
  revoke = 13,
  handover = 14,  ///< Memory that messages name instead of a payload; needs the ability.
  release = 15,   ///< Nobody looks at it any more; needs the ability.
};
inline constexpr std::uint8_t kind_highest = 15;

enum Flag : std::uint8_t {
  flag_more = 1,       ///< Another fragment of this message follows.
  flag_continued = 2,  ///< Not the first fragment of its message.
  flag_one_way = 4,    ///< A call that wants no answer.
  flag_batch = 8,      ///< Its payload is many messages, see batch.h; needs the ability.
};
inline constexpr std::uint8_t flags_all = 15;

struct FrameHeader {
  std::uint32_t body_bytes;   ///< Without this header: 0 … limits::body_bytes_max.
  Kind kind;                  ///< An unknown kind closes the connection.
  std::uint8_t flags;         ///< An unknown flag closes the connection.
  std::uint16_t descriptors;  ///< That travel with the first byte of this frame: 0 … 253.
  std::uint64_t id;           ///< Of the call, in the space of the side that made it; else 0.

  /// Of a frame that is its header alone.
  static constexpr FrameHeader bare(Kind kind, std::uint64_t id) {
    return {.body_bytes = 0, .kind = kind, .flags = 0, .descriptors = 0, .id = id};
  }
};
static_assert(sizeof(FrameHeader) == 16);
static_assert(offsetof(FrameHeader, kind) == 4 && offsetof(FrameHeader, flags) == 5);
static_assert(offsetof(FrameHeader, descriptors) == 6 && offsetof(FrameHeader, id) == 8);
static_assert(std::has_unique_object_representations_v<FrameHeader>);

static_assert(preamble.size() == sizeof(FrameHeader));

/// A call id: which of the sender's slots it occupies, and the how-manieth call it is. A slot is
/// used again only when its call was answered, so the answer to a call is never taken for
/// another's.
struct CallId {
  static constexpr unsigned slot_bits = 16;
  static constexpr std::uint16_t no_slot = 0xFFFF;  ///< One-way calls, which nobody answers.
  static constexpr std::uint64_t sequence_max = (1ull << (64 - slot_bits)) - 1;

  std::uint16_t slot = no_slot;
  std::uint64_t sequence = 0;

  static constexpr CallId of(std::uint64_t id) {
    return {static_cast<std::uint16_t>(id), id >> slot_bits};
  }
  [[nodiscard]] constexpr std::uint64_t value() const { return sequence << slot_bits | slot; }
};

struct Frame {
  FrameHeader header;
  std::span<const std::byte> body;  ///< Borrowed from the input.
};

/// What the front of a byte stream holds.
struct Parsed {
  enum class State : std::uint8_t { whole, incomplete, breach } state;
  Frame frame = {};              ///< When whole.
  const char* breach = nullptr;  ///< When breached: what is wrong, for the other side's log.
};

/// What is wrong with `header`, or null. Every bound is checked here, before the body is looked at,
/// let alone waited for.
[[nodiscard]] const char* breach_of(const FrameHeader& header);
/// True for what most frames are, small and plain: nothing is wrong with those.
[[nodiscard]] constexpr bool is_plain(const FrameHeader& header) {
  return (header.kind == Kind::call || header.kind == Kind::reply) && header.flags == 0 &&
         header.descriptors == 0 && header.body_bytes <= limits::body_bytes_max;
}

/// Looks at the front of `input`.
[[nodiscard]] Parsed parse_frame(std::span<const std::byte> input);

/// The name of `kind`, for messages: "call".
[[nodiscard]] std::string_view name(Kind kind);

}  // namespace tincan::wire
