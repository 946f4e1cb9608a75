#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/copy.h"

/// Tagged fields: how HELLO and the prologue of a message stay extensible. Each is a tag byte, a
/// length byte and that many bytes of value; a reader skips tags it does not know.
namespace tincan::wire {

struct Field {
  std::uint8_t tag = 0;
  std::span<const std::byte> value;  ///< Borrowed.

  /// The value as a T; nothing when it has another length.
  template <class T>
  [[nodiscard]] std::optional<T> as() const {
    if (value.size() != sizeof(T)) return std::nullopt;
    T result;
    std::memcpy(&result, value.data(), sizeof result);
    return result;
  }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(value.data()), value.size()};
  }
};

/// Walks over fields.
class FieldReader {
 public:
  explicit FieldReader(std::span<const std::byte> bytes) : rest_(bytes) {}
  /// The next field, or nothing at the end and when what is left is no field: see `whole`.
  std::optional<Field> next() {
    if (rest_.size() < 2) return std::nullopt;
    const auto tag = static_cast<std::uint8_t>(rest_[0]);
    const auto bytes = static_cast<std::size_t>(rest_[1]);
    if (rest_.size() - 2 < bytes) return std::nullopt;
    const Field field{tag, rest_.subspan(2, bytes)};
    rest_ = rest_.subspan(2 + bytes);
    return field;
  }
  /// True when everything was made of fields.
  [[nodiscard]] bool whole() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

/// Writes fields one after the other to where there is room for them.
class FieldWriter {
 public:
  explicit FieldWriter(std::byte* out) : out_(out) {}

  template <class T>
  void value(const T& value) {
    std::memcpy(out_, &value, sizeof value);
    out_ += sizeof value;
  }
  void text(std::string_view text) {
    copy_short(out_, text.data(), text.size());
    out_ += text.size();
  }
  void field(std::uint8_t tag, std::string_view value) {
    this->value(tag);
    this->value(static_cast<std::uint8_t>(value.size()));
    text(value);
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void field(std::uint8_t tag, const T& value) {
    this->value(tag);
    this->value(std::uint8_t{sizeof(T)});
    this->value(value);
  }
  [[nodiscard]] std::byte* end() const { return out_; }

 private:
  std::byte* out_;
};

}  // namespace tincan::wire
