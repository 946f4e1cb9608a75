#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <utility>

namespace tincan {

/// Bytes that grow at their end, where they are written in place: a std::vector would write zeros
/// there first, or copy from somewhere else. It never shrinks by itself.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Buffer() { std::free(start_); }

  [[nodiscard]] std::byte* start() { return start_; }
  [[nodiscard]] const std::byte* start() const { return start_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {start_, size_}; }

  /// Where the next `count` bytes are to be written, and how many of them were: `commit`.
  [[nodiscard]] std::byte* prepare(std::size_t count) {
    if (count > capacity_ - size_) grow(count);
    return start_ + size_;
  }
  void commit(std::size_t count) { size_ += count; }
  void append(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }
  void assign(std::span<const std::byte> bytes) {
    clear();
    append(bytes);
  }
  void clear() { size_ = 0; }
  /// Drops the first `count` bytes; the others move to the front.
  void erase_front(std::size_t count) {
    size_ -= count;
    std::memmove(start_, start_ + count, size_);
  }
  void swap(Buffer& other) noexcept {
    std::swap(start_, other.start_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  [[gnu::cold, gnu::noinline]] void grow(std::size_t count);

  std::byte* start_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tincan
