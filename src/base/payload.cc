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

void PayloadPool::drop() { drop_locked(std::unique_lock(mutex_)); }

void PayloadPool::drop_locked(std::unique_lock<std::mutex> lock) {
  const bool last = --holders_ == 0;
  lock.unlock();
  if (last) delete this;
}

PayloadPool::~PayloadPool() {
  while (free_ != nullptr) std::free(std::exchange(free_, free_->next_));
}

PayloadBlock* PayloadPool::acquire(std::size_t capacity) {
  PayloadBlock* block;
  {
    const std::lock_guard lock(mutex_);
    ++holders_;
    block = free_;
    if (block != nullptr) {
      free_ = block->next_;
      kept_bytes_ -= block->capacity_;
    }
  }
  if (block == nullptr || block->capacity_ < capacity) {
    std::free(block);
    capacity = std::max(capacity, block_bytes_min);
    block = static_cast<PayloadBlock*>(std::malloc(sizeof(PayloadBlock) + capacity));
    if (block == nullptr) {
      drop();
      throw std::bad_alloc();
    }
    block->pool_ = this;
    block->capacity_ = capacity;
  }
  block->size_ = 0;
  return block;
}

void PayloadPool::release(PayloadBlock* block) {
  PayloadPool* const pool = block->pool_;
  std::unique_lock lock(pool->mutex_);
  if (block->capacity_ <= block_bytes_max &&
      pool->kept_bytes_ + block->capacity_ <= kept_bytes_max) {
    pool->kept_bytes_ += block->capacity_;
    block->next_ = pool->free_;
    pool->free_ = block;
  } else {
    std::free(block);
  }
  pool->drop_locked(std::move(lock));
}

void Payload::append(PayloadPool& pool, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (block_ == nullptr) block_ = pool.acquire(bytes.size());
  const std::size_t size = block_->size_ + bytes.size();
  if (size > block_->capacity_) {
    const std::size_t capacity = std::max(size, 2 * block_->capacity_);
    void* const grown = std::realloc(block_, sizeof(PayloadBlock) + capacity);
    if (grown == nullptr) throw std::bad_alloc();
    block_ = static_cast<PayloadBlock*>(grown);
    block_->capacity_ = capacity;
  }
  std::memcpy(block_->start() + block_->size_, bytes.data(), bytes.size());
  block_->size_ = size;
}

}  // namespace tincan
