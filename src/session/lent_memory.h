#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "os/mutex.h"
#include "os/process.h"
#include "protocol/loans.h"
#include "session/memory_budget.h"
#include "tincan/failure.h"
#include "transport/loan_memory.h"

namespace tincan::session {

class LoanPool;

/// Memory that a payload is built in, from `loan` until neither we nor any peer needs it.
///
/// It is owned together by the `Loan`, by messages under way, by the sessions that know it, and by
/// the pool of the connection that it was lent for; whoever goes last frees it. Threads: the
/// session's part comes on the thread that has the session; the rest on any.
class LentMemory final : public protocol::Lendable {
 public:
  ~LentMemory();
  LentMemory(const LentMemory&) = delete;
  LentMemory& operator=(const LentMemory&) = delete;

  /// Ordinary memory, copied when it is sent. Errors: `exhausted`.
  [[nodiscard]] static Result<LentMemory*> plain(std::uint64_t bytes);
  /// Memory to be handed over, of `bytes` in whole pages. Errors: `exhausted`, `unsupported`.
  [[nodiscard]] static Result<LentMemory*> make(std::uint64_t bytes, Handover kind,
                                                MemoryCharge charge);

  /// Empty once it is to be sealed.
  [[nodiscard]] std::span<std::byte> bytes() const {
    if (is_plain()) return {plain_.get(), capacity_};
    return is_given() ? std::span<std::byte>() : memory_.bytes();
  }
  [[nodiscard]] bool is_plain() const { return plain_ != nullptr; }
  [[nodiscard]] std::uint64_t capacity() const { return capacity_; }
  [[nodiscard]] Handover kind() const { return kind_; }
  /// Seals what is immutable, the first time; takes milliseconds for what is large, also when it is
  /// another thread that does it. Any thread.
  [[nodiscard]] Result<void> seal();
  [[nodiscard]] bool is_sealed() const { return sealed_.load(std::memory_order_acquire); }
  /// Nobody builds in it any more: it is sealed, or will be by a thread beside the loop.
  void give() { given_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool is_given() const { return given_.load(std::memory_order_relaxed); }
  /// What is sealed, to be copied from. Errors: `exhausted`.
  [[nodiscard]] Result<os::Mapping> map_again() const;
  /// What a message says of it; `with_file` unless the peer has it. Errors: `exhausted`.
  [[nodiscard]] Result<protocol::Lending> lending(std::uint64_t bytes, bool with_file,
                                                  const LoanPool* pool) const;
  [[nodiscard]] bool is_forked() const { return os::fork_generation() != generation_; }

  /// A `Loan`, or a message under way, needs it.
  void take() {
    handles_.fetch_add(1, std::memory_order_relaxed);
    hold();
  }
  void let_go() {
    if (handles_.fetch_sub(1, std::memory_order_acq_rel) == 1 && closes_with_handles_) {
      memory_.close_file();
    }
    drop();
  }
  /// From now on its descriptor is closed with its last handle, when no message can name it any
  /// more: the peer's keeps the pages for as long as it looks at them. For immutable memory of who
  /// may not read for long that it was released.
  void close_with_handles() { closes_with_handles_ = true; }
  /// Nothing under way names it, and no peer looks at it.
  [[nodiscard]] bool is_released() const {
    return uses_.load(std::memory_order_acquire) == 0 &&
           handles_.load(std::memory_order_acquire) <= 1;
  }

  void begin_use() override { uses_.fetch_add(1, std::memory_order_relaxed); }
  void end_use() override { uses_.fetch_sub(1, std::memory_order_release); }
  void hold() override { owners_.fetch_add(1, std::memory_order_relaxed); }
  void drop() override {
    // In a child the mapping is not there, and the budget's lock may be held by who is not.
    if (is_forked()) return;
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  friend class LoanPool;
  LentMemory(std::uint64_t capacity, Handover kind) : capacity_(capacity), kind_(kind) {}
  void take_down(std::size_t together);
  [[nodiscard]] bool is_free() const {
    return handles_.load(std::memory_order_acquire) == 0 &&
           uses_.load(std::memory_order_acquire) == 0;
  }

  const std::uint64_t capacity_;
  const Handover kind_;
  bool closes_with_handles_ = false;
  std::atomic<bool> given_ = false;
  std::atomic<bool> sealed_ = false;
  os::Mutex sealing_;
  const std::uint32_t generation_ = os::fork_generation();
  std::unique_ptr<std::byte[]> plain_;
  transport::LoanMemory memory_;
  MemoryCharge charge_;
  std::atomic<const LoanPool*> pool_ = nullptr;  ///< That has it; only compared: it may be gone.
  std::atomic<std::uint32_t> owners_ = 1;
  std::atomic<std::uint32_t> handles_ = 1;
  std::atomic<std::uint32_t> uses_ = 0;
};

/// A message's part in memory, while it is under way.
class LentHandle {
 public:
  LentHandle() = default;
  /// Takes over the part that is the caller's.
  explicit LentHandle(LentMemory* memory) : memory_(memory) {}
  LentHandle(LentHandle&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}
  LentHandle& operator=(LentHandle&& other) noexcept {
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~LentHandle() {
    if (memory_ != nullptr) memory_->let_go();
  }
  [[nodiscard]] LentMemory* get() const { return memory_; }
  [[nodiscard]] LentMemory* operator->() const { return memory_; }
  explicit operator bool() const { return memory_ != nullptr; }
  [[nodiscard]] LentMemory* release() { return std::exchange(memory_, nullptr); }

 private:
  LentMemory* memory_ = nullptr;
};

/// What one peer takes from us.
struct LoanTerms {
  bool lends = false;         ///< We may hand memory over,
  bool shared_views = false;  ///< shared views too,
  std::uint32_t loans_max = 0;
  std::uint64_t loan_bytes_max = 0;
  std::uint64_t loan_bytes_min = 0;  ///< Immutable ones under it are copied.
};

/// The shared views of one connection: those that were released are lent again, without a page
/// fault. What another connection had is never lent here.
///
/// Threads: any. It outlives its connection as long as a request needs it.
class LoanPool {
 public:
  LoanPool(const LoanTerms& what, std::shared_ptr<MemoryBudget> budget, std::uint64_t uid)
      : terms(what), budget_(std::move(budget)), uid_(uid) {}
  LoanPool(const LoanPool&) = delete;
  LoanPool& operator=(const LoanPool&) = delete;
  ~LoanPool() { close(); }

  const LoanTerms terms;

  /// The smallest free one of `bytes`, or a new one. Errors: `exhausted`: the peer has not released
  /// enough, or a budget is used up; no memory.
  [[nodiscard]] Result<LentMemory*> take(std::uint64_t bytes);
  /// One that is free would do for `bytes`.
  [[nodiscard]] bool has(std::uint64_t bytes);
  /// Memory that is not of the pool, on the same budget.
  [[nodiscard]] Result<LentMemory*> make(std::uint64_t bytes, Handover kind) const;
  /// Calls `step` for each that was given up in favour of another, and forgets it.
  template <class TakeBack>
  void take_back(TakeBack step) {
    if (given_up_count_.load(std::memory_order_acquire) == 0) return;
    std::vector<LentMemory*> given_up;
    {
      const std::lock_guard lock(mutex_);
      given_up.swap(given_up_);
      given_up_count_.store(0, std::memory_order_relaxed);
    }
    for (LentMemory* const memory : given_up) {
      step(*memory);
      memory->drop();
    }
  }
  /// The connection has ended: what is free goes, and nothing comes back.
  void close();

 private:
  [[nodiscard]] LentMemory* find_free(std::uint64_t bytes) const;
  [[nodiscard]] os::Mapping give_one_up();
  [[nodiscard]] Result<LentMemory*> make_for_pool(std::uint64_t bytes);

  const std::shared_ptr<MemoryBudget> budget_;  ///< Null: none.
  const std::uint64_t uid_;
  os::Mutex mutex_;
  bool closed_ = false;
  std::size_t being_made_ = 0;
  std::vector<LentMemory*> memories_;
  std::vector<LentMemory*> given_up_;
  std::atomic<std::size_t> given_up_count_ = 0;
};

}  // namespace tincan::session
