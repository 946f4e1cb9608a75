// Every decoder of the wire on any bytes: nothing is read beyond the end, nothing crashes, and what
// was understood says the same when it is encoded again.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "wire/body.h"
#include "wire/frame.h"
#include "wire/prologue.h"

namespace {

using namespace tincan;

using Bytes = std::vector<std::byte>;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void check_hello(std::span<const std::byte> body) {
  const auto hello = wire::decode_hello(body);
  if (!hello) return;
  Bytes encoded(wire::encoded_hello_bytes_max);
  encoded.resize(wire::encode_hello(*hello, encoded.data()));
  const auto parsed = wire::parse_frame(std::span(encoded).subspan(wire::preamble.size()));
  require(parsed.state == wire::Parsed::State::whole, "an encoded HELLO is a frame");
  const auto again = wire::decode_hello(parsed.frame.body);
  require(again && again->version_lowest == hello->version_lowest &&
              again->version_highest == hello->version_highest &&
              again->payload_bytes_max == hello->payload_bytes_max &&
              again->calls_in_flight_max == hello->calls_in_flight_max &&
              again->descriptors_max == hello->descriptors_max &&
              again->abilities == hello->abilities &&
              again->clock_offset_nanoseconds == hello->clock_offset_nanoseconds,
          "HELLO comes back");
}

void check_prologue(std::span<const std::byte> body) {
  std::span<const std::byte> payload;
  wire::Prologue prologue;
  if (!wire::decode_prologue(body, prologue, payload)) return;
  require(payload.size() + 2 <= body.size(), "a payload lies within its body");
  Bytes encoded(wire::encoded_prologue_bytes_max);
  encoded.resize(wire::encode_prologue(prologue, encoded.data()).bytes);
  std::span<const std::byte> rest;
  wire::Prologue again;
  require(wire::decode_prologue(encoded, again, rest) && rest.empty() &&
              again.method == prologue.method && again.method_number == prologue.method_number &&
              again.deadline == prologue.deadline && again.cpu == prologue.cpu &&
              again.payload_bytes == prologue.payload_bytes &&
              again.trace.has_value() == prologue.trace.has_value() &&
              again.idempotent == prologue.idempotent,
          "a prologue comes back");
}

void check_error(std::span<const std::byte> body) {
  const auto error = wire::decode_error(body);
  require(error.has_value() == (body.size() >= 8), "an error needs eight bytes and no more");
  if (!error) return;
  Bytes encoded(wire::encoded_error_bytes_max);
  encoded.resize(wire::encode_error(1, *error, encoded.data()));
  const auto parsed = wire::parse_frame(encoded);
  require(parsed.state == wire::Parsed::State::whole, "an encoded error is a frame");
  const auto again = wire::decode_error(parsed.frame.body);
  require(again && again->reason == error->reason && again->code == error->code,
          "an error comes back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t count) {
  std::span<const std::byte> bytes = std::as_bytes(std::span(input, count));
  check_hello(bytes);
  check_prologue(bytes);
  check_error(bytes);
  for (;;) {
    const auto parsed = wire::parse_frame(bytes);
    if (parsed.state != wire::Parsed::State::whole) return 0;
    const auto& frame = parsed.frame;
    require(frame.body.size() <= limits::body_bytes_max, "a body is within its limit");
    require(frame.header.descriptors <= limits::message_descriptors_max, "253 descriptors");
    require(wire::name(frame.header.kind) != "unknown", "a kind that passed has a name");
    check_hello(frame.body);
    check_prologue(frame.body);
    check_error(frame.body);
    bytes = bytes.subspan(sizeof frame.header + frame.body.size());
  }
}
