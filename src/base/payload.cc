#include "base/payload.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace tincan {

namespace {
/// Chosen: most payloads fit, and a recycled block serves the next call whatever its size.
constexpr std::size_t block_bytes_min = 256;
}  // namespace

void PayloadPool::hold() {
  const std::lock_guard lock(mutex_);
  ++holders_;
}

void PayloadPool::drop() {
  std::unique_lock lock(mutex_);
  if (--holders_ == 0) {
    // From here on no block that is given back is kept.
    PayloadBlock* const spare = spare_.exchange(&closed_, std::memory_order_acq_rel);
    if (spare != nullptr) {
      std::free(spare);
      --blocks_;
    }
  }
  delete_if_unused(std::move(lock));
}

void PayloadPool::delete_if_unused(std::unique_lock<std::mutex> lock) {
  const bool unused = holders_ == 0 && blocks_ == 0;
  lock.unlock();
  if (unused) delete this;
}

PayloadPool::~PayloadPool() {
  while (free_ != nullptr) std::free(std::exchange(free_, free_->next_));
}

PayloadBlock* PayloadPool::take_kept() {
  const std::lock_guard lock(mutex_);
  ++blocks_;
  PayloadBlock* const block = free_;
  if (block != nullptr) {
    free_ = block->next_;
    kept_bytes_ -= block->capacity_;
  }
  return block;
}

PayloadBlock* PayloadPool::acquire_other(PayloadBlock* spare, std::size_t capacity) {
  PayloadBlock* block = spare == nullptr ? take_kept() : spare;
  if (block == nullptr || block->capacity_ < capacity) {
    std::free(block);
    capacity = std::max(capacity, block_bytes_min);
    block = static_cast<PayloadBlock*>(std::malloc(sizeof(PayloadBlock) + capacity));
    if (block == nullptr) {
      const std::lock_guard lock(mutex_);
      --blocks_;
      throw std::bad_alloc();
    }
    block->pool_ = this;
    block->capacity_ = capacity;
  }
  block->size_ = 0;
  return block;
}

void PayloadPool::keep(PayloadBlock* block) {
  std::unique_lock lock(mutex_);
  --blocks_;
  // The spare one counts as if it were as large as it can be.
  if (holders_ > 0 && block->capacity_ <= block_bytes_max &&
      kept_bytes_ + block->capacity_ <= kept_bytes_max - block_bytes_max) {
    kept_bytes_ += block->capacity_;
    block->next_ = free_;
    free_ = block;
  } else {
    std::free(block);
  }
  delete_if_unused(std::move(lock));
}

void Payload::grow(std::size_t more_bytes) {
  const std::size_t capacity = std::max(block_->size_ + more_bytes, 2 * block_->capacity_);
  void* const grown = std::realloc(block_, sizeof(PayloadBlock) + capacity);
  if (grown == nullptr) throw std::bad_alloc();
  block_ = static_cast<PayloadBlock*>(grown);
  block_->capacity_ = capacity;
}

}  // namespace tincan
