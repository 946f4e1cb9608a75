#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "os/clock.h"
#include "session/link.h"

// How the ring of a link comes to be a larger one, and how it ends.

namespace tincan::session {

namespace {

using wire::Upgrade;

/// How much larger than the last one the next ring is: two steps from the smallest to 4 MiB, for
/// each costs as much as making the ring does. Chosen.
constexpr std::uint64_t growth = 4;

}  // namespace

/// One that was filled so often in so short a time is too small, whichever direction it was.
void Link::consider_growth() {
  const std::uint32_t fills = channel_.ring_fills();
  if (fills == ring_->fills) return;
  const Moment now = os::now();
  if (now.since(ring_->filling_since) > ring_options_.window) {
    ring_->filling_since = now;
    ring_->fills_before = ring_->fills;
  }
  ring_->fills = fills;
  if (fills - ring_->fills_before < ring_options_.after_fills) return;
  ring_->filling_since = now;
  ring_->fills_before = fills;
  if (may_grow(now)) ask_for_larger_ring();
}

bool Link::may_grow(Moment now) const {
  const std::size_t bytes = ring_bytes();
  return ring_options_.transport == Transport::automatic && bytes > 0 &&
         bytes < ring_options_.bytes_max && ring_->larger.id == 0 && now >= ring_->grow_again &&
         !is_over();
}

/// In the stream, like every wish: in the ring that is too small.
void Link::ask_for_larger_ring() {
  guard([&] {
    const std::uint64_t bytes = std::min(growth * ring_bytes(), ring_options_.bytes_max);
    ring_->larger = {.id = ++rings_asked_for_, .wished_bytes = bytes, .granted_bytes = 0};
    session_.upgrade(ring_->larger.id,
                     {.step = Upgrade::Step::ask, .capacity_bytes = bytes, .reason = {}}, {});
  });
  write();
}

const char* Link::take_word_of_larger(const Upgrade& step) {
  ClientRing::Larger& larger = ring_->larger;
  if (larger.granted_bytes > 0) return "UPGRADE out of order";
  if (step.step == Upgrade::Step::grant) {
    if (!may_be_granted(step.capacity_bytes, larger.wished_bytes)) return not_asked_for;
    larger.granted_bytes = step.capacity_bytes;
    return nullptr;  // until we have left this one: see leave_ring
  }
  if (step.step != Upgrade::Step::refuse) return "UPGRADE out of order";
  larger = {};
  ring_refusal_ = printable(step.reason, step.reason.size());
  ring_->grow_pause = std::clamp(2 * ring_->grow_pause, ring_pause_first, ring_pause_longest);
  ring_->grow_again = os::now() + ring_->grow_pause;
  return nullptr;
}

/// It is over. When a larger one was wished for, that wish goes on.
void Link::leave_ring() {
  ring_->poller->remove(channel_.doorbell_fd());
  unwatch_doorbell();
  channel_.drop_ring();
  const ClientRing::Larger larger = ring_->larger;
  ring_.reset();
  if (larger.id == 0) return;
  guard([&] {
    ring_ = std::make_unique<ClientRing>();
    ring_->id = larger.id;
    ring_->wished_bytes = larger.wished_bytes;
    if (larger.granted_bytes > 0) offer_ring(larger.granted_bytes);
  });
  write();
}

}  // namespace tincan::session
