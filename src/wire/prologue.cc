#include "wire/prologue.h"

namespace tincan::wire {

namespace {

/// Takes a value of the right length into `target`; false when its length is wrong.
template <class T>
bool take(std::span<const std::byte> value, std::optional<T>& target) {
  if (value.size() != sizeof(T)) return false;
  std::memcpy(&target.emplace(), value.data(), sizeof(T));
  return true;
}

inline bool take_field(std::uint8_t tag, std::span<const std::byte> value, Prologue& prologue) {
  // These two are in every call; the others go through a table.
  if (tag == prologue_tag::method) {
    prologue.method = {reinterpret_cast<const char*>(value.data()), value.size()};
    return !value.empty();
  }
  if (tag == prologue_tag::deadline) return take(value, prologue.deadline);
  switch (tag) {
    case prologue_tag::method_number:
      return take(value, prologue.method_number);
    case prologue_tag::cpu:
      return take(value, prologue.cpu);
    case prologue_tag::idempotent:
      prologue.idempotent = true;
      return value.empty();
    case prologue_tag::trace:
      return take(value, prologue.trace);
    case prologue_tag::payload_bytes:
      return take(value, prologue.payload_bytes);
    case prologue_tag::loan:
      return take(value, prologue.loan);
    default:
      return true;
  }
}

}  // namespace

bool decode_prologue_fields(std::span<const std::byte> fields, Prologue& prologue) {
  // As FieldReader, which hands its fields over in memory.
  const std::byte* at = fields.data();
  const std::byte* const end = at + fields.size();
  while (end - at >= 2) {
    const auto tag = static_cast<std::uint8_t>(at[0]);
    const auto bytes = static_cast<std::uint8_t>(at[1]);
    at += 2;
    if (end - at < bytes || !take_field(tag, {at, bytes}, prologue)) return false;
    at += bytes;
  }
  return at == end;
}

}  // namespace tincan::wire
