#include "wire/body.h"

namespace tincan::wire {

namespace {

namespace hello_tag {
constexpr std::uint8_t versions = 1;
constexpr std::uint8_t payload_bytes_max = 2;
constexpr std::uint8_t calls_in_flight_max = 3;
constexpr std::uint8_t descriptors_max = 4;
constexpr std::uint8_t abilities = 5;
constexpr std::uint8_t clock_offset = 6;
constexpr std::uint8_t nonce = 7;
constexpr std::uint8_t loans_max = 8;
constexpr std::uint8_t loan_bytes_max = 9;
}  // namespace hello_tag

namespace upgrade_tag {
constexpr std::uint8_t step = 1;
constexpr std::uint8_t capacity_bytes = 2;
constexpr std::uint8_t reason = 3;
constexpr std::uint8_t kept = 4;
}  // namespace upgrade_tag

namespace handover_tag {
constexpr std::uint8_t kind = 1;
constexpr std::uint8_t bytes = 2;
}  // namespace handover_tag

void write_header(Kind kind, std::uint64_t id, std::size_t body_bytes, std::byte* out) {
  const FrameHeader header{.body_bytes = static_cast<std::uint32_t>(body_bytes),
                           .kind = kind,
                           .flags = 0,
                           .descriptors = 0,
                           .id = id};
  std::memcpy(out, &header, sizeof header);
}

/// Takes a field of the right length into `target`; false when its length is wrong.
template <class T, class Target>
bool take(const Field& field, Target& target) {
  const auto value = field.as<T>();
  if (value) target = *value;
  return value.has_value();
}

bool take_hello_field(const Field& field, Hello& hello) {
  switch (field.tag) {
    case hello_tag::versions: {
      const auto both = field.as<std::uint32_t>();
      if (!both) return false;
      hello.version_lowest = static_cast<std::uint16_t>(*both);
      hello.version_highest = static_cast<std::uint16_t>(*both >> 16);
      return true;
    }
    case hello_tag::payload_bytes_max:
      return take<std::uint64_t>(field, hello.payload_bytes_max);
    case hello_tag::calls_in_flight_max:
      return take<std::uint32_t>(field, hello.calls_in_flight_max);
    case hello_tag::descriptors_max:
      return take<std::uint32_t>(field, hello.descriptors_max);
    case hello_tag::abilities:
      return take<std::uint64_t>(field, hello.abilities);
    case hello_tag::clock_offset:
      return take<std::int64_t>(field, hello.clock_offset_nanoseconds);
    case hello_tag::nonce:
      return take<std::uint64_t>(field, hello.nonce);
    case hello_tag::loans_max:
      return take<std::uint32_t>(field, hello.loans_max);
    case hello_tag::loan_bytes_max:
      return take<std::uint64_t>(field, hello.loan_bytes_max);
    default:
      return true;
  }
}

bool take_handover_field(const Field& field, HandedOver& memory) {
  switch (field.tag) {
    case handover_tag::kind:
      return take<Handover>(field, memory.kind);
    case handover_tag::bytes:
      return take<std::uint64_t>(field, memory.bytes);
    default:
      return true;
  }
}

bool take_upgrade_field(const Field& field, Upgrade& upgrade) {
  switch (field.tag) {
    case upgrade_tag::step:
      return take<Upgrade::Step>(field, upgrade.step);
    case upgrade_tag::capacity_bytes:
      return take<std::uint64_t>(field, upgrade.capacity_bytes);
    case upgrade_tag::reason:
      upgrade.reason = field.text();
      return true;
    case upgrade_tag::kept:
      upgrade.kept = true;
      return field.value.empty();
    default:
      return true;
  }
}

}  // namespace

std::size_t encode_hello(const Hello& hello, std::byte* out) {
  std::memcpy(out, preamble.data(), preamble.size());
  std::byte* const header = out + preamble.size();
  std::byte* const fields = header + sizeof(FrameHeader);
  FieldWriter writer(fields);
  writer.field(hello_tag::versions,
               static_cast<std::uint32_t>(hello.version_highest << 16 | hello.version_lowest));
  writer.field(hello_tag::payload_bytes_max, hello.payload_bytes_max);
  writer.field(hello_tag::calls_in_flight_max, hello.calls_in_flight_max);
  writer.field(hello_tag::descriptors_max, hello.descriptors_max);
  writer.field(hello_tag::abilities, hello.abilities);
  writer.field(hello_tag::clock_offset, hello.clock_offset_nanoseconds);
  if (hello.nonce != 0) writer.field(hello_tag::nonce, hello.nonce);
  if (hello.loans_max != 0) {
    writer.field(hello_tag::loans_max, hello.loans_max);
    writer.field(hello_tag::loan_bytes_max, hello.loan_bytes_max);
  }
  write_header(Kind::hello, 0, static_cast<std::size_t>(writer.end() - fields), header);
  return static_cast<std::size_t>(writer.end() - out);
}

std::optional<Hello> decode_hello(std::span<const std::byte> body) {
  Hello hello{.version_lowest = 0, .version_highest = 0};
  FieldReader reader(body);
  while (const auto field = reader.next()) {
    if (!take_hello_field(*field, hello)) return std::nullopt;
  }
  const bool sane =
      reader.whole() && hello.version_lowest != 0 && hello.version_lowest <= hello.version_highest;
  return sane ? std::optional(hello) : std::nullopt;
}

std::size_t encode_error(std::uint64_t id, const Error& error, std::byte* out) {
  static constexpr std::string_view ellipsis = "…";
  std::byte* const body = out + sizeof(FrameHeader);
  FieldWriter writer(body);
  writer.value(static_cast<std::uint16_t>(error.reason));
  writer.value(std::uint16_t{0});
  writer.value(error.code);
  if (error.text.size() <= limits::error_text_bytes_max) {
    writer.text(error.text);
  } else {
    writer.text(error.text.substr(0, limits::error_text_bytes_max - ellipsis.size()));
    writer.text(ellipsis);
  }
  write_header(Kind::error, id, static_cast<std::size_t>(writer.end() - body), out);
  return static_cast<std::size_t>(writer.end() - out);
}

std::optional<Error> decode_error(std::span<const std::byte> body) {
  static constexpr std::size_t fixed_bytes = 8;
  if (body.size() < fixed_bytes) return std::nullopt;
  std::uint16_t reason;
  Error error;
  std::memcpy(&reason, body.data(), sizeof reason);
  std::memcpy(&error.code, body.data() + 4, sizeof error.code);
  const bool known = reason >= 1 && reason <= static_cast<std::uint16_t>(Reason::reply_lost);
  error.reason = known ? static_cast<Reason>(reason) : Reason::breach;
  const auto text = body.subspan(fixed_bytes);
  error.text = {reinterpret_cast<const char*>(text.data()), text.size()};
  return error;
}

std::size_t encode_upgrade(std::uint64_t id, const Upgrade& upgrade, std::byte* out) {
  static constexpr std::size_t field_bytes_max = 255;
  std::byte* const body = out + sizeof(FrameHeader);
  FieldWriter writer(body);
  writer.field(upgrade_tag::step, upgrade.step);
  if (upgrade.capacity_bytes != 0) {
    writer.field(upgrade_tag::capacity_bytes, upgrade.capacity_bytes);
  }
  if (!upgrade.reason.empty()) {
    writer.field(upgrade_tag::reason, upgrade.reason.substr(0, field_bytes_max));
  }
  if (upgrade.kept) writer.field(upgrade_tag::kept, std::string_view(""));
  const FrameHeader header{.body_bytes = static_cast<std::uint32_t>(writer.end() - body),
                           .kind = Kind::upgrade,
                           .flags = 0,
                           .descriptors = Upgrade::descriptors_with(upgrade.step),
                           .id = id};
  std::memcpy(out, &header, sizeof header);
  return static_cast<std::size_t>(writer.end() - out);
}

std::optional<Upgrade> decode_upgrade(std::span<const std::byte> body) {
  Upgrade upgrade{.step = Upgrade::Step{0}, .capacity_bytes = 0, .reason = {}};
  FieldReader reader(body);
  while (const auto field = reader.next()) {
    if (!take_upgrade_field(*field, upgrade)) return std::nullopt;
  }
  const bool known = upgrade.step >= Upgrade::Step::ask && upgrade.step <= Upgrade::Step::moved;
  return reader.whole() && known ? std::optional(upgrade) : std::nullopt;
}

std::size_t encode_handover(std::uint64_t number, const HandedOver& memory, std::byte* out) {
  FieldWriter writer(out + sizeof(FrameHeader));
  writer.field(handover_tag::kind, memory.kind);
  writer.field(handover_tag::bytes, memory.bytes);
  const auto bytes = static_cast<std::size_t>(writer.end() - out);
  const FrameHeader header{.body_bytes = static_cast<std::uint32_t>(bytes - sizeof(FrameHeader)),
                           .kind = Kind::handover,
                           .flags = 0,
                           .descriptors = 1,
                           .id = number};
  std::memcpy(out, &header, sizeof header);
  return bytes;
}

std::optional<HandedOver> decode_handover(std::span<const std::byte> body) {
  HandedOver memory{.kind = Handover{0}, .bytes = 0};
  FieldReader reader(body);
  while (const auto field = reader.next()) {
    if (!take_handover_field(*field, memory)) return std::nullopt;
  }
  const bool known = memory.kind == Handover::immutable || memory.kind == Handover::shared_view;
  return reader.whole() && known ? std::optional(memory) : std::nullopt;
}

}  // namespace tincan::wire
