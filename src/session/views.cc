#include "session/views.h"

#include <algorithm>

#include "session/teardown.h"
#include "transport/loan_memory.h"

namespace tincan::session {

View::~View() { tear_down(std::move(mapping_), std::move(charge_)); }

Views::~Views() {
  std::size_t left = 0;  // a client that was killed may leave many small ones
  for (const View* const view : views_) left += view->bytes().size();
  for (View* const view : views_) {
    if (view->owners_.load(std::memory_order_acquire) == 1) {
      tear_down(std::move(view->mapping_), std::move(view->charge_), left);
    }
    view->drop();
  }
}

void Views::map(View& view, std::uint64_t bytes, const Descriptor& file) {
  // A mapping costs something however small it is, and the kernel has no more than 65,530 of them.
  auto charge = MemoryCharge::of(budget_, uid_, std::max(bytes, memory_bytes_counted_min));
  if (!charge) {
    view.reason_ = wire::Reason::exhausted;
    view.refusal_ =
        "the bytes that are held of memory handed over, by one user or in all, are used up";
    return;
  }
  auto mapping = transport::map_loan(file, view.kind, bytes);
  if (!mapping) {
    view.refusal_ = "the memory that was handed over is refused: " + mapping.error();
    return;
  }
  view.charge_ = std::move(*charge);
  view.mapping_ = std::move(*mapping);
}

void Views::add(std::uint64_t number, const wire::HandedOver& memory, const Descriptor& file) {
  auto view = std::make_unique<View>(number, memory.kind, home_);
  map(*view, memory.bytes, file);
  views_.push_back(view.get());
  [[maybe_unused]] const View* const of_the_table = view.release();
}

std::expected<View*, Views::Refusal> Views::open(std::uint64_t number) {
  View& view = **std::ranges::find(views_, number, &View::number);
  if (!view.refusal_.empty()) return std::unexpected(Refusal{view.reason_, view.refusal_});
  view.hold();
  return &view;
}

void Views::end(std::uint64_t number) {
  const auto found = std::ranges::find(views_, number, &View::number);
  View* const view = *found;
  *found = views_.back();
  views_.pop_back();
  view->drop();
}

bool Views::has(const View& view) const { return std::ranges::find(views_, &view) != views_.end(); }

}  // namespace tincan::session
