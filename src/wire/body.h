#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tincan/descriptor.h"
#include "wire/fields.h"
#include "wire/frame.h"

/// The bodies of frames. Each decoder looks at bytes that a peer chose, takes nothing on trust, and
/// returns nothing when they do not make sense. Specified in docs/wire-format.md.
namespace tincan::wire {

/// What later versions may do; a kind whose ability the peer has not announced closes.
enum Ability : std::uint64_t {
  ability_push = 1,
  ability_credit = 2,
  ability_ring = 4,
  ability_handover = 8,
  ability_batch = 16,
  ability_shared_views = 32,  ///< The sender takes memory that may change while it looks.
};

/// The body of HELLO.
struct Hello {
  std::uint16_t version_lowest = version;
  std::uint16_t version_highest = version;
  std::uint64_t payload_bytes_max = 0;    ///< The sender takes no larger payload.
  std::uint32_t calls_in_flight_max = 0;  ///< The sender takes no more calls at once.
  std::uint32_t descriptors_max = 0;      ///< The sender takes no more with one message.
  std::uint64_t abilities = 0;
  std::int64_t clock_offset_nanoseconds = 0;  ///< CLOCK_REALTIME - CLOCK_MONOTONIC at the sender.
  std::uint64_t nonce = 0;                    ///< For the sender to know its own HELLO by; 0: none.
  std::uint32_t loans_max = 0;                ///< The sender takes no more memory at once.
  std::uint64_t loan_bytes_max = 0;           ///< Nor any that is larger.
};
/// The preamble and a HELLO frame with every field.
inline constexpr std::size_t encoded_hello_bytes_max =
    preamble.size() + sizeof(FrameHeader) + 6 + 10 + 6 + 6 + 10 + 10 + 10 + 6 + 10;
/// Writes the preamble and the HELLO frame to `out`, where encoded_hello_bytes_max have room, and
/// returns how many bytes that was.
[[nodiscard]] std::size_t encode_hello(const Hello& hello, std::byte* out);
[[nodiscard]] std::optional<Hello> decode_hello(std::span<const std::byte> body);

/// Why a call, or with id 0 the connection, ends in an error. An unknown reason reads as `breach`.
enum class Reason : std::uint16_t {
  declared = 1,     ///< The handler answered with an error.
  dropped = 2,      ///< The handler let the request go unanswered.
  threw = 3,        ///< The handler threw.
  no_method = 4,    ///< Not run.
  refused = 5,      ///< Not run: a rule.
  expired = 6,      ///< Not run: the deadline had passed.
  cancelled = 7,    ///< Not run: the caller gave up first.
  exhausted = 8,    ///< Not run: a limit of the receiver's.
  too_large = 9,    ///< Not run: the payload exceeds the receiver's limit.
  draining = 10,    ///< Not run: the receiver is stopping.
  breach = 11,      ///< The sender of the call broke the protocol.
  reply_lost = 12,  ///< Run, but the answer does not fit what the caller accepts.
};
struct Error {
  Reason reason = Reason::breach;
  std::int32_t code = 0;
  std::string_view text;  ///< Borrowed.
};
/// The longest ERROR frame that we write.
inline constexpr std::size_t encoded_error_bytes_max =
    sizeof(FrameHeader) + 8 + limits::error_text_bytes_max;
/// Writes the frame to `out`, where encoded_error_bytes_max have room, and returns how many bytes
/// that was; text over limits::error_text_bytes_max is cut with an ellipsis.
[[nodiscard]] std::size_t encode_error(std::uint64_t id, const Error& error, std::byte* out);
[[nodiscard]] std::optional<Error> decode_error(std::span<const std::byte> body);

/// The body of UPGRADE: one step of two sides on their way to a ring.
struct Upgrade {
  enum class Step : std::uint8_t {
    ask = 1,     ///< The client would like one of `capacity_bytes`.
    grant = 2,   ///< The server would take one of so many, or fewer.
    refuse = 3,  ///< Either: not now, and why.
    offer = 4,   ///< The client's memory, and where it listens.
    accept = 5,  ///< Where the server listens. It goes on in its ring.
    moved = 6,   ///< The client goes on in its ring.
  };
  Step step = Step::ask;
  std::uint64_t capacity_bytes = 0;  ///< Of each ring: ask, grant and offer.
  std::string_view reason;           ///< Of refuse. Borrowed; up to 255 bytes, longer is cut.
  bool kept = false;                 ///< Of ask: not to be taken back for lying idle.

  /// How many descriptors travel with a step.
  [[nodiscard]] static constexpr std::uint16_t descriptors_with(Step step) {
    if (step == Step::offer) return 3;
    return step == Step::accept || step == Step::moved ? 1 : 0;
  }
  /// Whether it is the last frame before its sender's stream goes on elsewhere.
  [[nodiscard]] static constexpr bool ends_the_stream(Step step) {
    return step == Step::accept || step == Step::moved;
  }
};
/// The longest UPGRADE frame that we write.
inline constexpr std::size_t encoded_upgrade_bytes_max = sizeof(FrameHeader) + 3 + 10 + 2 + 255 + 2;
/// Writes the frame to `out`, where encoded_upgrade_bytes_max have room, and returns how many bytes
/// that was. The descriptors that it announces are the caller's to attach.
[[nodiscard]] std::size_t encode_upgrade(std::uint64_t id, const Upgrade& upgrade, std::byte* out);
[[nodiscard]] std::optional<Upgrade> decode_upgrade(std::span<const std::byte> body);

/// The body of a HANDOVER that brings memory.
struct HandedOver {
  Handover kind = Handover::immutable;
  std::uint64_t bytes = 0;
};
inline constexpr std::size_t encoded_handover_bytes_max = sizeof(FrameHeader) + 3 + 10;
/// Writes the frame to `out`, where encoded_handover_bytes_max have room, and returns how many
/// bytes that was. The descriptor that it announces is the caller's to attach.
[[nodiscard]] std::size_t encode_handover(std::uint64_t number, const HandedOver& memory,
                                          std::byte* out);
[[nodiscard]] std::optional<HandedOver> decode_handover(std::span<const std::byte> body);

}  // namespace tincan::wire
