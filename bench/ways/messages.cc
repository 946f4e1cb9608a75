#include "ways/messages.h"

#include <algorithm>
#include <cstring>

namespace bench {

Messages::Messages(std::size_t bytes)
    : bytes_(bytes), pattern_(std::min(bytes, block_bytes) + period) {
  for (std::size_t i = 0; i < pattern_.size(); ++i) {
    pattern_[i] = static_cast<std::byte>(i % period);
  }
}

std::span<const std::byte> Messages::last(std::uint64_t sequence) {
  const auto message = numbered(sequence);
  last_.assign(message.begin(), message.end());
  last_.front() |= mark;
  return last_;
}

void Messages::fill(std::span<std::byte> room, std::uint64_t sequence) const {
  const std::byte* const block = pattern_.data() + sequence % period;
  for (std::size_t at = 0; at < bytes_; at += block_bytes) {
    std::memcpy(room.data() + at, block, std::min(block_bytes, bytes_ - at));
  }
}

/// All but the first byte.
bool Messages::is_rest_of(std::span<const std::byte> message, std::uint64_t sequence) const {
  const std::byte* const block = pattern_.data() + sequence % period;
  for (std::size_t at = 0; at < bytes_; at += block_bytes) {
    const std::size_t skipped = at == 0;
    const std::size_t bytes = std::min(block_bytes, bytes_ - at);
    if (std::memcmp(message.data() + at + skipped, block + skipped, bytes - skipped) != 0) {
      return false;
    }
  }
  return true;
}

void Messages::check(std::span<const std::byte> message, std::uint64_t sequence) const {
  const bool is_right = message.size() == bytes_ &&
                        (message.front() & ~mark) == pattern_[sequence % period] &&
                        is_rest_of(message, sequence);
  if (!is_right) throw WrongMessage(words_for(message, sequence));
}

std::string Messages::words_for(std::span<const std::byte> message, std::uint64_t sequence) const {
  const std::string name = "message " + std::to_string(sequence);
  if (message.size() != bytes_) {
    return name + " has " + std::to_string(message.size()) + " bytes in place of " +
           std::to_string(bytes_);
  }
  const auto number = std::to_integer<unsigned>(message.front() & ~mark);
  const auto expected = static_cast<unsigned>(sequence % period);
  if (number != expected && number < period && is_rest_of(message, number)) {
    const unsigned ahead = (number + period - expected) % period;
    return ahead < period / 2 ? "messages are lost: " + std::to_string(ahead) + " before message " +
                                    std::to_string(sequence + ahead)
                              : "a message came again, or too late, in place of " + name;
  }
  std::size_t at = 0;
  const auto value = [&](std::size_t i) { return i == 0 ? message[i] & ~mark : message[i]; };
  const auto meant = [&](std::size_t i) { return static_cast<std::byte>((sequence + i) % period); };
  while (at < bytes_ && value(at) == meant(at)) ++at;
  return name + " is not what was sent: it differs at byte " + std::to_string(at);
}

}  // namespace bench
