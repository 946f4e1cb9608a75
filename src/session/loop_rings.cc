#include <algorithm>
#include <utility>

#include "os/clock.h"
#include "os/cpu.h"
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

namespace {
/// While there is something in rings, turns between two looks at everything else. Chosen: a look
/// costs as much as a call through a ring.
constexpr std::uint64_t turns_between_looks = 16;
}  // namespace

/// As the poller's, when there are rings that nobody rings for yet.
os::Sys<std::span<epoll_event>> Loop::wait_at_rings(Moment until) {
  until = std::min(until, deadline());
  if (look_at_awake(until)) {
    if (turns_ % turns_between_looks != 0) return std::span<epoll_event>();
    return poller_.wait(events_, Moment());
  }
  if (spins_.never_sleeps() || !let_rings_sleep()) return poller_.wait(events_, Moment());
  const Moment start = os::now();
  const auto events = poller_.wait(events_, until);
  spins_.slept_since(start);
  return events;
}

/// Looks for a moment whether something comes through one of them, if that is likely.
bool Loop::look_at_awake(Moment until) {
  if (until == Moment()) return false;
  const std::uint32_t cpu = os::current_cpu();
  bool is_worthwhile = false;
  awake_.for_each([&](Connection& connection) {
    is_worthwhile = spins_.is_worthwhile(connection.look_from(cpu)) || is_worthwhile;
  });
  if (!is_worthwhile) return false;
  const auto is_any_readable = [&] {
    return awake_.any_of([](Connection& connection) { return connection.is_ring_readable(); });
  };
  if (!spins_.look_for(is_any_readable, until)) return false;
  awake_.for_each([&](Connection& connection) {
    if (connection.is_ring_readable()) read_later(connection);
  });
  return true;
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
