#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <span>
#include <utility>

namespace tincan {

class PayloadPool;

/// The bytes of one payload, behind this header in one allocation. Made by a PayloadPool.
class PayloadBlock {
 public:
  [[nodiscard]] std::span<const std::byte> bytes() const { return {start(), size_}; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  friend class Payload;
  friend class PayloadPool;
  [[nodiscard]] std::byte* start() const {
    return reinterpret_cast<std::byte*>(const_cast<PayloadBlock*>(this) + 1);
  }
  PayloadPool* pool_;
  PayloadBlock* next_;
  std::size_t size_;
  std::size_t capacity_;
};

/// Recycles payload blocks, so that a steady flow of calls allocates nothing.
///
/// It lives as long as somebody holds it or one of its blocks: a reply may outlive its client.
/// Threads: any. One block is kept where it costs a single atomic exchange to take it, which is all
/// that calls one after the other need; the others are kept under a lock. What is kept is bounded:
/// blocks of up to `block_bytes_max`, `kept_bytes_max` in all.
class PayloadPool {
 public:
  /// Chosen: the size of a fragment, so that whatever came in one frame is recycled.
  static constexpr std::size_t block_bytes_max = 64 * 1024;
  /// Chosen: 1,024 calls in flight of 1 KiB.
  static constexpr std::size_t kept_bytes_max = 1024 * 1024;

  [[nodiscard]] static PayloadPool* create() { return new PayloadPool; }
  void hold();
  void drop();

  /// A block with room for `capacity` bytes, of size 0; it holds the pool.
  [[nodiscard]] PayloadBlock* acquire(std::size_t capacity) {
    PayloadBlock* const spare = spare_.exchange(nullptr, std::memory_order_acquire);
    if (spare == nullptr || spare->capacity_ < capacity) return acquire_other(spare, capacity);
    spare->size_ = 0;
    return spare;
  }
  /// Gives a block of any pool back to it.
  static void release(PayloadBlock* block) {
    PayloadPool* const pool = block->pool_;
    PayloadBlock* none = nullptr;
    if (block->capacity_ > block_bytes_max ||
        !pool->spare_.compare_exchange_strong(none, block, std::memory_order_acq_rel)) {
      pool->keep(block);
    }
  }

 private:
  PayloadPool() = default;
  ~PayloadPool();
  [[gnu::noinline]] PayloadBlock* acquire_other(PayloadBlock* spare, std::size_t capacity);
  PayloadBlock* take_kept();
  [[gnu::noinline]] void keep(PayloadBlock* block);
  void delete_if_unused(std::unique_lock<std::mutex> lock);

  std::atomic<PayloadBlock*> spare_ = nullptr;  ///< `closed_` once nobody holds the pool.
  PayloadBlock closed_{};

  std::mutex mutex_;
  std::size_t holders_ = 1;
  std::size_t blocks_ = 0;  ///< In use, or spare.
  std::size_t kept_bytes_ = 0;
  PayloadBlock* free_ = nullptr;
};

/// Owns one block, or none (an empty payload).
class Payload {
 public:
  Payload() = default;
  explicit Payload(PayloadBlock* block) : block_(block) {}
  Payload(Payload&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Payload& operator=(Payload&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Payload() {
    if (block_ != nullptr) PayloadPool::release(block_);
  }

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return block_ == nullptr ? std::span<const std::byte>() : block_->bytes();
  }
  /// Adds `bytes` at the end. Room grows with what has arrived, never with what was promised.
  void append(PayloadPool& pool, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (block_ == nullptr) block_ = pool.acquire(bytes.size());
    if (bytes.size() > block_->capacity_ - block_->size_) grow(bytes.size());
    std::memcpy(block_->start() + block_->size_, bytes.data(), bytes.size());
    block_->size_ += bytes.size();
  }
  [[nodiscard]] PayloadBlock* release() { return std::exchange(block_, nullptr); }

 private:
  [[gnu::noinline]] void grow(std::size_t more_bytes);

  PayloadBlock* block_ = nullptr;
};

}  // namespace tincan
