#include "wire/batch.h"

#include <cstring>

#include "tincan/limits.h"

namespace tincan::wire {

namespace {

std::uint32_t length_of_first(std::span<const std::byte> batch) {
  std::uint32_t length;
  std::memcpy(&length, batch.data(), sizeof length);
  return length;
}

}  // namespace

std::optional<std::uint32_t> count_messages(std::span<const std::byte> batch,
                                            std::uint64_t message_bytes_max) {
  std::uint32_t count = 0;
  while (!batch.empty()) {
    if (batch.size() < message_length_bytes) return std::nullopt;
    const std::uint32_t length = length_of_first(batch);
    batch = batch.subspan(message_length_bytes);
    if (length > batch.size() || length > message_bytes_max) return std::nullopt;
    if (++count > limits::batch_messages_max) return std::nullopt;
    batch = batch.subspan(length);
  }
  return count > 0 ? std::optional(count) : std::nullopt;
}

std::span<const std::byte> take_message(std::span<const std::byte>& batch) {
  const std::uint32_t length = length_of_first(batch);
  const auto message = batch.subspan(message_length_bytes, length);
  batch = batch.subspan(message_length_bytes + length);
  return message;
}

}  // namespace tincan::wire
