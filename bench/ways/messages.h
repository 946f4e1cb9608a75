#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// Something came that is not what was sent: other bytes, another message, or one too few.
class WrongMessage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Messages of one size, each different from the ones before and after it, so that one that is
/// lost, doubled, cut or mixed up is noticed; of a single byte, too. The last one of a round is
/// marked in its first bit: it asks for an answer where others have none.
class Messages {
 public:
  /// More than this cannot be had without a copy: only `fill` and `check` do for them.
  static constexpr std::size_t whole_bytes_max = std::size_t{1} << 20;

  explicit Messages(std::size_t bytes);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// The message of that number, without a copy.
  [[nodiscard]] std::span<const std::byte> numbered(std::uint64_t sequence) const {
    return std::span(pattern_).subspan(sequence % period, bytes_);
  }
  /// The same, marked as the last one. Good until the next call.
  [[nodiscard]] std::span<const std::byte> last(std::uint64_t sequence);
  /// Writes it to `room`, which is as large.
  void fill(std::span<std::byte> room, std::uint64_t sequence) const;
  /// Throws WrongMessage unless `message` is that of `sequence`, marked or not.
  void check(std::span<const std::byte> message, std::uint64_t sequence) const;

  [[nodiscard]] static bool is_last(std::span<const std::byte> message) {
    return (message.front() & mark) != std::byte{0};
  }

 private:
  /// Prime, so that no block of a size somebody would choose repeats with it; and below the mark.
  static constexpr std::uint64_t period = 127;
  /// Larger messages repeat it.
  static constexpr std::size_t block_bytes = period * 16384;
  static_assert(block_bytes >= whole_bytes_max);
  static constexpr std::byte mark{0x80};

  [[nodiscard]] bool is_rest_of(std::span<const std::byte> message, std::uint64_t sequence) const;
  [[nodiscard]] std::string words_for(std::span<const std::byte> message,
                                      std::uint64_t sequence) const;

  const std::size_t bytes_;
  std::vector<std::byte> pattern_;
  std::vector<std::byte> last_;
};

/// What a server does with the messages of one client.
class Receiver {
 public:
  /// `answers_all`: it answers each message, and not only the last of a round.
  Receiver(std::size_t bytes, bool answers_all) : messages_(bytes), answers_all_(answers_all) {}

  /// Checks the next message; whether it is to be answered, with the same bytes.
  [[nodiscard]] bool take(std::span<const std::byte> message) {
    messages_.check(message, next_++);
    return answers_all_ || Messages::is_last(message);
  }

 private:
  Messages messages_;
  const bool answers_all_;
  std::uint64_t next_ = 0;
};

}  // namespace bench
