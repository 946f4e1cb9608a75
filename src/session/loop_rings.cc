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

void Loop::look_at_ring_later(ServerRing& ring) {
  ring.look_again = read_clock() + service_.ring_idle;
  looked_at_.push(ring.looked_at);
}

void Loop::look_at_rings(Moment now) {
  while (Connection* const connection = looked_at_.front()) {
    if (connection->ring()->look_again > now) return;
    guard(*connection, [&] { connection->look_at_ring(); });
  }
}

Moment Loop::next_look_at_rings() const {
  const Connection* const first = looked_at_.front();
  return first == nullptr ? Moment::never() : first->ring()->look_again;
}

}  // namespace tincan::session
