#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "tincan/descriptor.h"

namespace tincan::protocol {

/// The stream that goes out: bytes not yet written, with the descriptors that belong to some of
/// them. Positions count every byte since the connection began, so "has the last byte of that call
/// been written?" is one comparison.
class Outbox {
 public:
  /// Where the next byte will stand.
  [[nodiscard]] std::uint64_t position() const { return written_ + unsent_bytes(); }
  [[nodiscard]] std::uint64_t written() const { return written_; }
  [[nodiscard]] std::size_t unsent_bytes() const { return bytes_.size() - head_ + lent_.size(); }

  /// To append to. Only its end may be changed; its memory too, while nothing is unsent, so that
  /// idle connections need none of their own.
  [[nodiscard]] Buffer& bytes() { return bytes_; }
  /// Where the next `count` bytes of the stream are to be written; `commit` puts them on it.
  [[nodiscard]] std::byte* prepare(std::size_t count) {
    if (!lent_.empty()) [[unlikely]]
      keep_lent();
    return bytes_.prepare(count);
  }
  void commit(std::size_t count) { bytes_.commit(count); }
  void append(std::span<const std::byte> bytes) {
    keep_lent();
    bytes_.append(bytes);
  }
  /// Puts `frame` on the stream, which is empty, without a copy: it is the caller's memory until
  /// `keep_lent`.
  void lend(std::span<const std::byte> frame) { lent_ = frame; }
  [[nodiscard]] bool may_lend() const { return unsent_bytes() == 0 && marks_.empty(); }
  /// What is unsent of what was lent is copied.
  void keep_lent() {
    if (!lent_.empty()) bytes_.append(std::exchange(lent_, {}));
  }
  /// `descriptors` belong to the byte at `position()`, which is about to be appended.
  void attach(std::vector<Descriptor>&& descriptors) {
    if (!descriptors.empty()) marks_.push_back({position(), std::move(descriptors), false});
  }
  /// What is appended from here on goes another way: `front` gives nothing of it before `go_on`.
  void stop_here() { marks_.push_back({position(), {}, true}); }
  /// All that was to go before `stop_here` is written.
  [[nodiscard]] bool is_stopped() const {
    return !marks_.empty() && marks_.front().is_stop && marks_.front().position == written_;
  }
  void go_on() { marks_.erase(marks_.begin()); }
  /// Overwrites bytes that were not written yet; false when some of them were.
  bool patch(std::uint64_t position, std::span<const std::byte> bytes);

  /// What to write next: with descriptors when they belong to its first byte, and never beyond the
  /// byte that the next descriptors belong to.
  struct Chunk {
    std::span<const std::byte> bytes;
    std::span<const Descriptor> descriptors;
  };
  [[nodiscard]] Chunk front() const {
    if (!lent_.empty()) [[unlikely]]
      return {lent_, {}};
    const Chunk all{bytes_.bytes().subspan(head_), {}};
    return marks_.empty() ? all : up_to_next_mark(all);
  }
  /// `count` bytes of the chunk were written; descriptors went with the first of them.
  void advance(std::size_t count) {
    if (count == unsent_bytes() && marks_.empty()) {
      written_ += count;
      bytes_.clear();
      lent_ = {};
      head_ = 0;
    } else {
      advance_partly(count);
    }
  }

  /// True when it has no memory: nothing unsent, and no room kept.
  [[nodiscard]] bool is_bare() const { return bytes_.capacity() == 0; }

 private:
  [[nodiscard]] Chunk up_to_next_mark(Chunk chunk) const;
  void advance_partly(std::size_t count);

  struct Mark {
    std::uint64_t position;
    std::vector<Descriptor> descriptors;
    bool is_stop;
  };

  Buffer bytes_;
  std::span<const std::byte> lent_;  ///< Goes before `bytes_`, which are empty meanwhile.
  std::size_t head_ = 0;
  std::uint64_t written_ = 0;
  std::vector<Mark> marks_;
};

}  // namespace tincan::protocol
