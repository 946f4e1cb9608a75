#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "os/memory.h"
#include "os/mutex.h"
#include "session/memory_budget.h"
#include "tincan/descriptor.h"
#include "wire/body.h"

namespace tincan::session {

class View;

/// Who tells a peer that its memory is looked at no more, for those who may outlive him.
struct ViewHome {
  os::Mutex mutex;
  void* owner = nullptr;  ///< Null once he has gone.
  void (*release)(void* owner, View& view) = nullptr;
};

/// Memory of a peer's, mapped for reading, or the reason why not.
///
/// It is owned together by the connection's table and by the requests or replies whose payload it
/// is. Threads: those only read it, and drop it on whichever thread.
class View {
 public:
  View(std::uint64_t its_number, Handover its_kind, std::shared_ptr<ViewHome> its_home)
      : number(its_number), kind(its_kind), home(std::move(its_home)) {}
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  ~View();

  const std::uint64_t number;
  const Handover kind;
  const std::shared_ptr<ViewHome> home;  ///< Of a client's.

  [[nodiscard]] std::span<const std::byte> bytes() const { return mapping_.bytes(); }
  /// Of immutable memory, which no other message names: by whoever looked at it, in his own time.
  void unmap() { [[maybe_unused]] const os::Mapping gone = std::move(mapping_); }
  void hold() { owners_.fetch_add(1, std::memory_order_relaxed); }
  void drop() {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  friend class Views;
  os::Mapping mapping_;
  MemoryCharge charge_;
  wire::Reason reason_ = wire::Reason::refused;
  std::string refusal_;  ///< Why it is not mapped; empty when it is.
  std::atomic<std::uint32_t> owners_ = 1;
};

struct DropView {
  void operator()(View* view) const { view->drop(); }
};
using HeldView = std::unique_ptr<View, DropView>;

/// By whoever looked at it and does no more, on a thread of his own: a shared view stays mapped.
inline void unmap_here(View& view) {
  if (view.kind == Handover::immutable) view.unmap();
}

/// A reply that was in `view`, which it held, is gone.
void end_view_of_reply(View* view);

/// What the peer of one connection has handed over. Threads: the connection's.
class Views {
 public:
  Views(std::shared_ptr<MemoryBudget> budget, std::uint64_t uid,
        std::shared_ptr<ViewHome> home = nullptr)
      : budget_(std::move(budget)), uid_(uid), home_(std::move(home)) {}
  Views(const Views&) = delete;
  Views& operator=(const Views&) = delete;
  ~Views();

  /// Looks at `file`, maps it if it is good and there is room for it, and closes it.
  void add(std::uint64_t number, const wire::HandedOver& memory, const Descriptor& file);
  /// Why a message that names it is not taken.
  struct Refusal {
    wire::Reason reason;
    std::string_view text;
  };
  /// The view is held for the caller.
  [[nodiscard]] std::expected<View*, Refusal> open(std::uint64_t number);
  /// No further message names it.
  void end(std::uint64_t number);
  [[nodiscard]] bool has(const View& view) const;

 private:
  void map(View& view, std::uint64_t bytes, const Descriptor& file);

  const std::shared_ptr<MemoryBudget> budget_;
  const std::uint64_t uid_;
  const std::shared_ptr<ViewHome> home_;
  std::vector<View*> views_;
};

}  // namespace tincan::session
