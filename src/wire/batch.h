#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

/// Many one-way messages in one frame, each behind its length. Specified in docs/wire-format.md.
namespace tincan::wire {

/// Of the length in front of each message.
inline constexpr std::size_t message_length_bytes = sizeof(std::uint32_t);

/// How many messages `batch` has; none when it is no batch: its lengths do not add up, or there are
/// none, or too many, or one of more than `message_bytes_max`.
[[nodiscard]] std::optional<std::uint32_t> count_messages(std::span<const std::byte> batch,
                                                          std::uint64_t message_bytes_max);

/// Takes the first message off `batch`, which `count_messages` has counted.
[[nodiscard]] std::span<const std::byte> take_message(std::span<const std::byte>& batch);

}  // namespace tincan::wire
