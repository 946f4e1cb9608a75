#include <algorithm>
#include <utility>

#include "os/clock.h"
#include "session/loop.h"
#include "session/service.h"

// The rings of a loop: which are awake, so that nobody rings for them, and which lie idle.

namespace tincan::session {

bool Loop::watch_doorbell(Connection& connection) {
  void* const tag = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(&connection) |
                                            Connection::doorbell_bit);
  const bool added = poller_.add(connection.doorbell_fd(), EPOLLIN | EPOLLET, tag).has_value();
  connection.ring()->watched = added;
  return added;
}

void Loop::unwatch_doorbell(Connection& connection) {
  if (!std::exchange(connection.ring()->watched, false)) return;
  poller_.remove(connection.doorbell_fd());
}

/// Whoever stays awake is read from at once; the others ring.
bool Loop::let_rings_sleep() {
  ConnectionQueue awake;
  awake.take(awake_);
  bool all_sleep = true;
  while (Connection* const connection = awake.pop()) {
    if (connection->fall_asleep()) continue;
    all_sleep = false;
    read_later(*connection);
  }
  return all_sleep;
}

/// Those through which nothing has come since the last time, while others are busy: each ring that
/// is awake makes it longer until something is seen in another.
void Loop::let_quiet_rings_sleep() {
  if (spins_.never_sleeps() || awake_.only() != nullptr) return;
  ConnectionQueue awake;
  awake.take(awake_);
  while (Connection* const connection = awake.pop()) {
    const bool was_quiet = std::exchange(connection->ring()->quiet, true);
    if (was_quiet && connection->fall_asleep()) continue;
    keep_awake(*connection->ring());
  }
}

void Loop::await_offer(ServerRing& ring) {
  ring.look_again = read_clock() + service_.handshake_deadline;
  granted_.push(ring.looked_at);
}

void Loop::look_at_ring_later(ServerRing& ring) {
  ring.look_again = read_clock() + service_.ring_idle;
  looked_at_.push(ring.looked_at);
}

void Loop::look_at_rings(Moment now) {
  for (const ConnectionQueue* const queue : {&granted_, &looked_at_}) {
    while (Connection* const connection = queue->front()) {
      if (connection->ring()->look_again > now) break;
      guard(*connection, [&] { connection->look_at_ring(); });
    }
  }
}

Moment Loop::next_look_at_rings() const {
  Moment earliest = Moment::never();
  for (const ConnectionQueue* const queue : {&granted_, &looked_at_}) {
    if (const Connection* const first = queue->front()) {
      earliest = std::min(earliest, first->ring()->look_again);
    }
  }
  return earliest;
}

}  // namespace tincan::session
