#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/check.h"
#include "tincan/limits.h"
#include "wire/fields.h"

/// What stands before the payload of a message. It is written and read once a call, so that is
/// inlined: most of the fields are known to be absent where it is written.
namespace tincan::wire {

/// Trace context as W3C has it: version 00, trace id, parent id, flags.
struct TraceContext {
  std::uint8_t bytes[25];
};

/// A payload that lies in memory which was handed over.
struct LentPayload {
  std::uint64_t number;  ///< Of the memory, as its HANDOVER said.
  std::uint64_t bytes;   ///< From its beginning.
};

/// Not a constant, for of a constant Prologue all of the memory would be cleared, each time.
inline std::optional<TraceContext> no_trace() { return std::nullopt; }
inline std::optional<LentPayload> no_loan() { return std::nullopt; }

/// The prologue of a message: what is said once, in its first fragment, before the payload.
struct Prologue {
  std::string_view method;                     ///< Borrowed. Empty: see method_number.
  std::optional<std::uint16_t> method_number;  ///< With a name: agrees on it; without: uses it.
  std::optional<std::int64_t> deadline;        ///< The sender's CLOCK_MONOTONIC, nanoseconds.
  std::optional<std::uint32_t> cpu;            ///< Where the sender ran.
  std::optional<std::uint64_t> payload_bytes;  ///< In all; required when there are fragments.
  std::optional<TraceContext> trace = no_trace();
  std::optional<LentPayload> loan = no_loan();  ///< There is no other payload then.
  bool idempotent = false;
};
/// Where things lie in an encoded prologue.
struct PrologueLayout {
  std::size_t bytes = 0;     ///< Of the prologue, its length field included.
  std::size_t deadline = 0;  ///< Offset of the deadline's value; 0 when there is none.
};
/// No prologue that we write is longer: its length and every field at its longest.
inline constexpr std::size_t encoded_prologue_bytes_max = 2 + (2 + limits::method_bytes_max) + 4 +
                                                          10 + 6 + 2 + (2 + sizeof(TraceContext)) +
                                                          10 + (2 + sizeof(LentPayload));

namespace prologue_tag {
constexpr std::uint8_t method = 1;
constexpr std::uint8_t method_number = 2;
constexpr std::uint8_t deadline = 3;
constexpr std::uint8_t cpu = 4;
constexpr std::uint8_t idempotent = 5;
constexpr std::uint8_t trace = 6;
constexpr std::uint8_t payload_bytes = 7;
constexpr std::uint8_t loan = 8;
}  // namespace prologue_tag

/// Writes the prologue to `out`, where encoded_prologue_bytes_max have room.
inline PrologueLayout encode_prologue(const Prologue& prologue, std::byte* out) {
  TINCAN_CHECK(prologue.method.size() <= limits::method_bytes_max);
  PrologueLayout layout;
  FieldWriter writer(out + sizeof(std::uint16_t));  // the length of the fields comes first
  if (!prologue.method.empty()) [[likely]]
    writer.field(prologue_tag::method, prologue.method);
  if (prologue.method_number) writer.field(prologue_tag::method_number, *prologue.method_number);
  if (prologue.deadline) {
    writer.field(prologue_tag::deadline, *prologue.deadline);
    layout.deadline = static_cast<std::size_t>(writer.end() - out) - sizeof(std::int64_t);
  }
  if (prologue.cpu) writer.field(prologue_tag::cpu, *prologue.cpu);
  if (prologue.idempotent) writer.field(prologue_tag::idempotent, std::string_view());
  if (prologue.trace) writer.field(prologue_tag::trace, *prologue.trace);
  if (prologue.payload_bytes) writer.field(prologue_tag::payload_bytes, *prologue.payload_bytes);
  if (prologue.loan) writer.field(prologue_tag::loan, *prologue.loan);
  layout.bytes = static_cast<std::size_t>(writer.end() - out);
  const auto fields_bytes = static_cast<std::uint16_t>(layout.bytes - sizeof(std::uint16_t));
  std::memcpy(out, &fields_bytes, sizeof fields_bytes);
  return layout;
}

/// Takes each of `fields` into `prologue`. False when they make no sense.
[[nodiscard]] bool decode_prologue_fields(std::span<const std::byte> fields, Prologue& prologue);

/// Splits the body of a first fragment: `prologue`, which comes empty, is filled, and `payload`
/// becomes what follows it. False when they make no sense.
[[nodiscard]] inline bool decode_prologue(std::span<const std::byte> body, Prologue& prologue,
                                          std::span<const std::byte>& payload) {
  std::uint16_t fields_bytes;
  if (body.size() < sizeof fields_bytes) return false;
  std::memcpy(&fields_bytes, body.data(), sizeof fields_bytes);
  body = body.subspan(sizeof fields_bytes);
  if (fields_bytes > limits::prologue_bytes_max || fields_bytes > body.size()) return false;
  payload = body.subspan(fields_bytes);
  return fields_bytes == 0 || decode_prologue_fields(body.first(fields_bytes), prologue);
}

}  // namespace tincan::wire
