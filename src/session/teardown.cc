#include "session/teardown.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <utility>

#include "os/background.h"
#include "session/loop.h"

namespace tincan::session {

namespace {

/// What is last here goes first: until then the pages are there.
struct Parcel {
  MemoryCharge charge;
  os::CloseInChild file;
  os::Mapping mapping;
  Parcel* next = nullptr;
};

/// What waits to be taken down, newest first, down to `nothing`.
struct Queue {
  const std::uint32_t generation = os::fork_generation();
  const Queue* const of_the_parent;  ///< Kept in reach: nobody takes that down here.
  Parcel nothing;
  std::atomic<Parcel*> newest = nullptr;  ///< Null: there is no thread. Else it will look again.

  explicit Queue(const Queue* parents) : of_the_parent(parents) {}
};

std::atomic<Queue*> queue_of_this_process = nullptr;

/// A forked child begins with an empty one, for the thread is not there. Null: no memory.
Queue* queue() {
  Queue* known = queue_of_this_process.load(std::memory_order_acquire);
  while (known == nullptr || known->generation != os::fork_generation()) {
    auto* const made = new (std::nothrow) Queue(known);
    if (made == nullptr) return nullptr;
    if (queue_of_this_process.compare_exchange_strong(known, made)) return made;
    delete made;
  }
  return known;
}

void take_down_all(void* argument) noexcept {
  Queue& queue = *static_cast<Queue*>(argument);
  for (;;) {
    Parcel* parcel = queue.newest.exchange(&queue.nothing, std::memory_order_acquire);
    if (parcel == &queue.nothing) {
      if (queue.newest.compare_exchange_strong(parcel, nullptr)) return;
      continue;
    }
    while (parcel != &queue.nothing) delete std::exchange(parcel, parcel->next);
  }
}

void put(Queue& queue, Parcel& parcel) {
  Parcel* before = queue.newest.load(std::memory_order_relaxed);
  do {
    parcel.next = before == nullptr ? &queue.nothing : before;
  } while (!queue.newest.compare_exchange_weak(before, &parcel, std::memory_order_acq_rel));
  if (before != nullptr) return;
  // Without a place for a thread the loop has to do it after all.
  if (!os::run_apart(take_down_all, &queue)) take_down_all(&queue);
}

}  // namespace

void tear_down(os::Mapping&& mapping, MemoryCharge&& charge, std::size_t together,
               os::CloseInChild&& file) noexcept {
  std::unique_ptr<Parcel> parcel;
  const std::size_t bytes = std::max(mapping.bytes().size(), together);
  const bool is_there = !mapping.bytes().empty() || file.descriptor();
  if (bytes > teardown_bytes_on_loop_max && is_there && Loop::current() != nullptr) {
    parcel.reset(new (std::nothrow) Parcel);
  }
  Queue* const apart = parcel ? queue() : nullptr;
  if (apart == nullptr) {
    const MemoryCharge until_unmapped(std::move(charge));
    const os::CloseInChild closed(std::move(file));
    const os::Mapping unmapped(std::move(mapping));
    return;
  }
  parcel->charge = std::move(charge);
  parcel->file = std::move(file);
  parcel->mapping = std::move(mapping);
  put(*apart, *parcel.release());
}

}  // namespace tincan::session
