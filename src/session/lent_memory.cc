#include "session/lent_memory.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <string>

#include "base/no_memory.h"
#include "os/result.h"
#include "session/teardown.h"

namespace tincan::session {

namespace {

constexpr std::uint64_t page_bytes = 4096;
/// What the size of a file can say, in whole pages; nothing in memory is larger either.
constexpr std::uint64_t file_bytes_max = INT64_MAX - page_bytes;

std::unexpected<Failure> no_room(std::uint64_t bytes, int error) {
  const bool is_want = os::is_shortage(error) || error == EFBIG;
  return std::unexpected(Failure(is_want ? Cause::exhausted : Cause::unsupported,
                                 "memory of " + std::to_string(bytes) + " bytes to be handed over",
                                 error));
}

}  // namespace

Result<LentMemory*> LentMemory::plain(std::uint64_t bytes) {
  if (bytes > file_bytes_max) return no_room(bytes, ENOMEM);
  std::unique_ptr<LentMemory> memory(new (std::nothrow) LentMemory(bytes, Handover::immutable));
  // One more byte, for an empty one is plain memory too.
  if (memory) memory->plain_.reset(new (std::nothrow) std::byte[bytes + 1]);
  if (!memory || !memory->plain_) return no_room(bytes, ENOMEM);
  return memory.release();
}

Result<LentMemory*> LentMemory::make(std::uint64_t bytes, Handover kind, MemoryCharge charge) {
  if (bytes > file_bytes_max) return no_room(bytes, EFBIG);
  const std::uint64_t capacity = (bytes + page_bytes - 1) / page_bytes * page_bytes;
  auto made = transport::LoanMemory::make(capacity, kind);
  if (!made) return no_room(bytes, made.error().code);
  std::unique_ptr<LentMemory> memory(new (std::nothrow) LentMemory(capacity, kind));
  if (!memory) return no_room(bytes, ENOMEM);
  memory->memory_ = std::move(*made);
  memory->charge_ = std::move(charge);
  return memory.release();
}

LentMemory::~LentMemory() { take_down(capacity_); }

/// `together`: as tear_down says.
void LentMemory::take_down(std::size_t together) {
  tear_down(memory_.release_mapping(), std::move(charge_), together, memory_.release_file());
}

Result<void> LentMemory::seal() {
  if (is_sealed() || is_plain() || kind_ != Handover::immutable) return {};
  give();
  const std::lock_guard lock(sealing_);
  if (is_sealed()) return {};
  if (auto sealed = memory_.seal(); !sealed) {
    return std::unexpected(
        Failure(Cause::system, "the memory cannot be made immutable", sealed.error().code));
  }
  sealed_.store(true, std::memory_order_release);
  return {};
}

Result<os::Mapping> LentMemory::map_again() const {
  auto mapping = os::Mapping::readable_by_and_by(memory_.file().get(), capacity_);
  if (!mapping) return no_room(capacity_, mapping.error().code);
  return std::move(*mapping);
}

Result<protocol::Lending> LentMemory::lending(std::uint64_t bytes, bool with_file,
                                              const LoanPool* pool) const {
  protocol::Lending lending;
  lending.memory = const_cast<LentMemory*>(this);
  lending.bytes = bytes;
  lending.capacity = capacity_;
  lending.kind = kind_;
  const LoanPool* const own = pool_.load(std::memory_order_relaxed);
  lending.once = own == nullptr || own != pool;
  if (with_file) {
    auto file = memory_.file().duplicate();
    if (!file) return std::unexpected(std::move(file.error()));
    lending.file = std::move(*file);
  }
  return lending;
}

LentMemory* LoanPool::find_free(std::uint64_t bytes) const {
  LentMemory* best = nullptr;
  for (LentMemory* const memory : memories_) {
    if (memory->capacity_ < bytes || !memory->is_free()) continue;
    if (best == nullptr || memory->capacity_ < best->capacity_) best = memory;
  }
  return best;
}

bool LoanPool::has(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  return find_free(bytes) != nullptr;
}

/// In favour of another one: what is to be unmapped, without the lock. Empty: none is free.
os::Mapping LoanPool::give_one_up() {
  for (LentMemory*& place : memories_) {
    if (!place->is_free()) continue;
    LentMemory* const memory = place;
    given_up_.push_back(memory);
    given_up_count_.fetch_add(1, std::memory_order_release);
    place = memories_.back();
    memories_.pop_back();
    memory->charge_ = MemoryCharge();
    memory->pool_ = nullptr;
    memory->memory_.close_file();  // the mapping keeps its pages
    return memory->memory_.release_mapping();
  }
  return {};
}

Result<LentMemory*> LoanPool::make(std::uint64_t bytes, Handover kind) const {
  MemoryCharge charge;
  if (budget_) {
    auto charged = MemoryCharge::of(budget_, uid_, std::max(bytes, memory_bytes_counted_min));
    if (!charged) {
      return std::unexpected(
          Failure(Cause::exhausted,
                  "the bytes that this server hands over, to one user or in all, are used up "
                  "(ServerOptions::loan_bytes_max, loan_bytes_per_uid_max)"));
    }
    charge = std::move(*charged);
  }
  return LentMemory::make(bytes, kind, std::move(charge));
}

/// In the place of others that are free, where the budget has no room.
Result<LentMemory*> LoanPool::make_for_pool(std::uint64_t bytes) {
  auto made = make(bytes, Handover::shared_view);
  while (!made && made.error().cause() == Cause::exhausted) {
    os::Mapping given_up = [&] {
      const std::lock_guard lock(mutex_);
      return give_one_up();
    }();
    if (given_up.bytes().empty()) break;
    tear_down(std::move(given_up), {});
    made = make(bytes, Handover::shared_view);
  }
  return made;
}

Result<LentMemory*> LoanPool::take(std::uint64_t bytes) {
  os::Mapping given_up;
  std::unique_lock lock(mutex_);
  if (LentMemory* const free = find_free(bytes)) {
    free->take();
    return free;
  }
  if (memories_.size() + being_made_ >= terms.loans_max) {
    given_up = give_one_up();
    if (given_up.bytes().empty()) {
      return std::unexpected(
          Failure(Cause::exhausted, "the other side has not released what it was lent: " +
                                        std::to_string(terms.loans_max) + ", as many as it takes"));
    }
  }
  memories_.reserve(memories_.size() + being_made_ + 1);
  ++being_made_;
  lock.unlock();
  tear_down(std::move(given_up), {});
  auto made = or_no_memory([&] { return make_for_pool(bytes); });
  lock.lock();
  --being_made_;
  if (!made || closed_) return made;
  (*made)->hold();
  (*made)->pool_ = this;
  memories_.push_back(*made);
  return made;
}

void LoanPool::close() {
  std::vector<LentMemory*> left;
  std::vector<LentMemory*> given_up;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    left.swap(memories_);
    given_up.swap(given_up_);
  }
  std::size_t bytes = 0;
  for (const LentMemory* const memory : left) bytes += memory->capacity_;
  for (LentMemory* const memory : left) {
    memory->pool_ = nullptr;
    if (memory->is_free()) {
      memory->take_down(bytes);
    }
    memory->drop();
  }
  for (LentMemory* const memory : given_up) memory->drop();
}

}  // namespace tincan::session
