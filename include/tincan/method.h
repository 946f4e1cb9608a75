#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tincan {

/// The bytes of `text`, borrowed.
[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
/// `bytes` as text, borrowed; not checked for any encoding.
[[nodiscard]] inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// How a T becomes payload bytes and comes back; specialise it for your own types.
///
/// Built in: std::string, std::vector<std::byte>, and trivially copyable types (both ends are one
/// machine, so their bytes are the format; padding goes along, so prefer types without any).
/// `decode` returns nothing when the bytes are not a T: they come from a peer.
template <class T>
struct Codec {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                "specialise tincan::Codec for this type");
  static void encode(const T& value, std::vector<std::byte>& out) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    out.assign(bytes.begin(), bytes.end());
  }
  static std::optional<T> decode(std::span<const std::byte> bytes)
    requires std::is_default_constructible_v<T>
  {
    if (bytes.size() != sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
};

template <>
struct Codec<std::string> {
  static void encode(const std::string& value, std::vector<std::byte>& out) {
    const auto bytes = bytes_of(value);
    out.assign(bytes.begin(), bytes.end());
  }
  static std::optional<std::string> decode(std::span<const std::byte> bytes) {
    return std::string(text_of(bytes));
  }
};

template <>
struct Codec<std::vector<std::byte>> {
  static void encode(const std::vector<std::byte>& value, std::vector<std::byte>& out) {
    out = value;
  }
  static std::optional<std::vector<std::byte>> decode(std::span<const std::byte> bytes) {
    return std::vector(bytes.begin(), bytes.end());
  }
};

struct MethodOptions {
  bool idempotent = false;  ///< As CallOptions::idempotent, for every call of the method.
};

/// A method's name with the types that go in and come out, written once for both sides.
template <class In, class Out>
struct Method {
  std::string_view name;
  MethodOptions options = {};
};

}  // namespace tincan
