#include "os/clock.h"
#include "os/cpu.h"
#include "session/loop.h"
#include "session/service.h"

// How a loop waits: it looks for a moment where and when that is worthwhile, and then sleeps.
// docs/decisions/0019-waiting.md.

namespace tincan::session {

namespace {

/// While something comes each time that the loop looks, turns between two looks at everything else.
/// Chosen: a look costs as much as a call through a ring.
constexpr std::uint64_t turns_between_looks = 16;
/// The same while nothing comes: after so many looks at rings, one of which costs some 20 ns, or at
/// a socket, which costs ten times as much. Chosen: everything else waits some 5 µs at the most.
constexpr unsigned looks_between_looks = 256;
constexpr unsigned looks_at_a_socket = 16;

}  // namespace

/// As the poller's.
os::Sys<std::span<epoll_event>> Loop::wait(Moment until) {
  if (awake_.empty() && last_served_ == nullptr) return poller_.wait(events_, until);
  if (until == Moment()) {
    read_ready_rings();
    return poller_.wait(events_, until);
  }
  os::Sys<std::span<epoll_event>> events = std::span<epoll_event>();
  if (is_looking_worthwhile()) {
    const bool came = look(turn_ended_ == Moment() ? os::now() : turn_ended_, until, events);
    if (service_.is_forked()) return events;  // all that is waited for is the parent's
    charge_look();
    if (came && events && events->empty() && turns_ % turns_between_looks == 0) {
      let_quiet_rings_sleep();
      return poller_.wait(events_, Moment());
    }
    if (came) return events;
  }
  if (spins_.never_sleeps() || !let_rings_sleep()) return poller_.wait(events_, Moment());
  if (spins_.always_sleeps()) return poller_.wait(events_, until);
  const Moment start = os::now();
  events = poller_.wait(events_, until);
  spins_.slept_since(start);
  return events;
}

/// Those whose messages are looked for: with rings that do not ring, and the one whose client waits
/// at its socket.
template <class Visit>
void Loop::visit_looked_for(Visit visit) {
  awake_.for_each(visit);
  if (last_served_ != nullptr) visit(*last_served_);
}

bool Loop::is_looking_worthwhile() {
  const std::uint32_t cpu = os::current_cpu();
  bool is_worthwhile = false;
  awake_.for_each([&](Connection& connection) {
    const std::uint32_t peer_cpu = connection.look_from(cpu);
    is_worthwhile =
        is_worthwhile || (connection.awaits_ring() && spins_.is_worthwhile(peer_cpu, cpu) &&
                          connection.account->looks.is_left(clock_));
  });
  if (is_worthwhile || last_served_ == nullptr) return is_worthwhile;
  const Account* const account = last_served_->account;
  return spins_.is_worthwhile(last_served_->peer_cpu(), cpu) && account != nullptr &&
         account->looks.is_left(clock_);
}

/// True when something came: through a ring or the socket that was looked at, which was seen to, or
/// as `events`. The last turn ended `since`, just now.
bool Loop::look(Moment since, Moment until, os::Sys<std::span<epoll_event>>& events) {
  Connection* const only = last_served_ == nullptr ? awake_.only() : nullptr;
  const auto watch = only != nullptr ? only->watch_ring() : std::nullopt;
  const bool came =
      watch && !only->is_ring_ready()
          ? look_with(*watch, 1, since, until, events)
          : look_with([this] { return look_once(); },
                      last_served_ != nullptr ? looks_at_a_socket : 1, since, until, events);
  if (!came) return false;
  if (watch) {
    // Takes as long as to look at the clock.
    os::fetch_lines(watch->come(os::fetched_bytes_max));
    note_arrival();
    read_later(*only);  // also what can only be found out by reading: that it is a lie
    return true;
  }
  // A handler has returned in a child, in which the memory of the rings is not mapped.
  if (!service_.is_forked()) read_ready_rings();
  return true;
}

void Loop::read_ready_rings() {
  awake_.for_each([&](Connection& connection) {
    if (connection.is_ring_ready()) read_later(connection);
  });
}

/// The same, by one look after the other, each of which weighs so much.
template <class Look>
bool Loop::look_with(Look has_come, unsigned weight, Moment since, Moment until,
                     os::Sys<std::span<epoll_event>>& events) {
  // Others may have come while the last one was served through its socket.
  unsigned looks = weight > 1 ? looks_between_looks - weight : 0;
  const auto has_something_come = [&] {
    if (has_come()) return true;
    looks += weight;
    if (looks < looks_between_looks) return false;
    looks = 0;
    events = poller_.wait(events_, Moment());
    return !events || !events->empty();
  };
  return spins_.look_for(has_something_come, since, until);
}

bool Loop::look_once() {
  const bool in_a_ring =
      awake_.any_of([](Connection& connection) { return connection.is_ring_ready(); });
  if (in_a_ring || last_served_ == nullptr) return in_a_ring;
  bool came = true;  // also when it is given up for what came
  guard(*last_served_, [&] { came = last_served_->look(); });
  return came;
}

/// To all alike: who did not send anything was looked for too.
void Loop::charge_look() {
  if (spins_.looked() <= LookAllowance::free) return;
  int connections = 0;
  visit_looked_for([&](Connection&) { ++connections; });
  if (connections == 0) return;
  const Nanoseconds share = LookAllowance::share(spins_.looked(), connections);
  const Moment now = os::now();
  visit_looked_for([&](Connection& connection) {
    if (connection.account != nullptr) connection.account->looks.charge(now, share);
  });
}

}  // namespace tincan::session
