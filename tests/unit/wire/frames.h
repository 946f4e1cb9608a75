#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/body.h"
#include "wire/fields.h"
#include "wire/frame.h"
#include "wire/prologue.h"

namespace tincan::wire {

/// Appends fields to bytes that a test makes.
class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}

  void bytes(std::span<const std::byte> bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  void text(std::string_view text) { bytes(std::as_bytes(std::span(text))); }
  template <class T>
  void value(const T& value) {
    bytes(std::as_bytes(std::span(&value, 1)));
  }
  /// `value` of at most 255 bytes.
  void field(std::uint8_t tag, std::string_view value) {
    out_.push_back(std::byte{tag});
    out_.push_back(static_cast<std::byte>(value.size()));
    text(value);
  }
  template <class T>
    requires std::is_integral_v<T>
  void field(std::uint8_t tag, T value) {
    out_.push_back(std::byte{tag});
    out_.push_back(std::byte{sizeof(T)});
    this->value(value);
  }

 private:
  std::vector<std::byte>& out_;
};

// The encoders, appending.

inline void encode_hello(const Hello& hello, std::vector<std::byte>& out) {
  std::byte bytes[encoded_hello_bytes_max];
  out.insert(out.end(), bytes, bytes + encode_hello(hello, bytes));
}
inline void encode_error(std::uint64_t id, const Error& error, std::vector<std::byte>& out) {
  std::byte bytes[encoded_error_bytes_max];
  out.insert(out.end(), bytes, bytes + encode_error(id, error, bytes));
}
inline void encode_bare(Kind kind, std::uint64_t id, std::vector<std::byte>& out) {
  Writer(out).value(FrameHeader::bare(kind, id));
}

}  // namespace tincan::wire

/// Frames made by hand, right or wrong, for tests of whoever reads them.
namespace tincan::wire::test {

using Bytes = std::vector<std::byte>;

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes joined(std::initializer_list<std::span<const std::byte>> parts) {
  Bytes all;
  for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// What looks different at every place, so that bytes which moved are noticed.
inline std::string pattern(std::size_t bytes, std::uint32_t seed = 1) {
  std::string text(bytes + 8, '\0');
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (std::size_t i = 0; i < bytes; i += sizeof state) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::memcpy(text.data() + i, &state, sizeof state);
  }
  text.resize(bytes);
  return text;
}

inline Bytes frame(Kind kind, std::uint64_t id, std::span<const std::byte> body = {},
                   std::uint8_t flags = 0, std::uint16_t descriptors = 0) {
  const FrameHeader header{.body_bytes = static_cast<std::uint32_t>(body.size()),
                           .kind = kind,
                           .flags = flags,
                           .descriptors = descriptors,
                           .id = id};
  return joined({std::as_bytes(std::span(&header, 1)), body});
}

inline std::uint64_t id_of(std::uint16_t slot, std::uint64_t sequence) {
  return CallId{.slot = slot, .sequence = sequence}.value();
}

inline Bytes first_body(const Prologue& prologue, std::string_view payload = {}) {
  Bytes body(encoded_prologue_bytes_max);
  body.resize(encode_prologue(prologue, body.data()).bytes);
  return joined({body, bytes_of(payload)});
}

/// The prologue at the front of `body`, if there is one that makes sense.
inline std::optional<Prologue> prologue_of(std::span<const std::byte> body,
                                           std::span<const std::byte>& payload) {
  Prologue prologue;
  return decode_prologue(body, prologue, payload) ? std::optional(prologue) : std::nullopt;
}

inline Bytes call(std::uint64_t id, std::string_view method, std::string_view payload = {},
                  std::uint8_t flags = 0, std::uint16_t descriptors = 0) {
  Prologue prologue;
  prologue.method = method;
  return frame(Kind::call, id, first_body(prologue, payload), flags, descriptors);
}

/// The first of several fragments, of a payload of `payload_bytes` in all.
inline Bytes first_fragment(Kind kind, std::uint64_t id, std::string_view method,
                            std::string_view payload, std::uint64_t payload_bytes,
                            std::uint8_t flags = 0, std::uint16_t descriptors = 0) {
  Prologue prologue;
  prologue.method = method;
  prologue.payload_bytes = payload_bytes;
  const auto all_flags = static_cast<std::uint8_t>(flags | flag_more);
  return frame(kind, id, first_body(prologue, payload), all_flags, descriptors);
}

inline Bytes reply(std::uint64_t id, std::string_view payload = {}) {
  return frame(Kind::reply, id, first_body({}, payload));
}

inline Bytes error(std::uint64_t id, const Error& why) {
  Bytes bytes;
  encode_error(id, why, bytes);
  return bytes;
}

inline Bytes hello(const Hello& hello) {
  Bytes bytes;
  encode_hello(hello, bytes);
  return bytes;
}

/// The frames that `stream` is made of; what is left at its end is dropped.
inline std::vector<Frame> frames_of(std::span<const std::byte> stream) {
  std::vector<Frame> frames;
  for (;;) {
    const Parsed parsed = parse_frame(stream);
    if (parsed.state != Parsed::State::whole) return frames;
    frames.push_back(parsed.frame);
    stream = stream.subspan(sizeof(FrameHeader) + parsed.frame.body.size());
  }
}

}  // namespace tincan::wire::test
