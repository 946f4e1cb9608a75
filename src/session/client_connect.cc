#include <algorithm>
#include <utility>

#include "base/no_memory.h"
#include "base/shell_word.h"
#include "os/clock.h"
#include "os/futex.h"
#include "path/access.h"
#include "session/client_state.h"

namespace tincan {

namespace {

std::string in_words(Nanoseconds time) {
  const auto milliseconds = std::chrono::round<std::chrono::milliseconds>(time).count();
  return milliseconds % 1000 == 0 ? std::to_string(milliseconds / 1000) + " s"
                                  : std::to_string(milliseconds) + " ms";
}

}  // namespace

Failure Client::State::not_ready(const Link& link, const Failure& why, Nanoseconds waited) const {
  // With HELLO a link is ready, unless there has to be a ring.
  const bool lacks_ring = link.greeted() && options_.transport == Transport::ring;
  if (!lacks_ring || why.cause() == Cause::refused) return no_greeting(why, address_, waited);
  std::string words = why.detail();
  if (why.cause() == Cause::deadline) words = "none came in " + in_words(waited);
  return {Outcome::not_sent, why.cause(),
          "no ring with " + address_.text() + ": " + words +
              ". Transport::automatic goes on without one",
          why.system_error()};
}

Failure Client::State::no_greeting(const Failure& why, const Address& address, Nanoseconds waited) {
  const std::string name = address.text();
  const std::string raw = "For raw bytes: tincan bytes " + shell_word(name);
  switch (why.cause()) {
    case Cause::deadline:
      return {Outcome::not_sent, Cause::deadline,
              name + " accepted us but sent no HELLO in " + in_words(waited) +
                  "; not a tincan server? " + raw};
    case Cause::not_tincan:
      return {Outcome::not_sent, Cause::not_tincan,
              name + " is no tincan server: " + why.detail() + ". " + raw};
    case Cause::refused:
      return Failure(Cause::refused, why.detail());  // `final` adds who we are
    case Cause::closed:
      return {Outcome::not_sent, Cause::closed,
              name + " closed the connection before its HELLO; not a tincan server? " + raw};
    default:
      return Failure(why).with_outcome(Outcome::not_sent);
  }
}

bool Client::State::may_come_back(const Failure& failure) const {
  return !is_spent() && (failure.cause() == Cause::no_server || failure.cause() == Cause::closed);
}

Failure Client::State::spent() {
  return {Outcome::not_sent, Cause::closed,
          "it named one connection, which has ended; there is no other"};
}

Result<void> Client::State::connect() {
  Lock lock(mutex_);
  auto connected = connect_once(lock, Moment::never());
  if (connected || connected.error().cause() != Cause::refused) return connected;
  return std::unexpected(Failure(Cause::refused, path::with_own_name(connected.error().detail()),
                                 connected.error().system_error()));
}

Result<void> Client::State::adopt(path::Connection connection, std::function<void()> pump) {
  Lock lock(mutex_);
  auto link = make_link(std::move(connection), std::move(pump));
  if (!link) return std::unexpected(std::move(link.error()));
  return greet(std::move(*link), lock, os::now(), Moment::never());
}

Result<std::unique_ptr<Client::State::Link>> Client::State::make_link(path::Connection connection,
                                                                      std::function<void()> pump) {
  return or_no_memory([&]() -> Result<std::unique_ptr<Link>> {
    // That of a thread that connects, greeting_ and link_: to retire them must not fail.
    constexpr std::size_t links_in_use_max = 3;
    retired_.reserve(retired_.size() + links_in_use_max);
    return std::make_unique<Link>(std::move(connection.socket), std::move(connection.peer),
                                  options_, *pool_, std::move(pump), view_home_);
  });
}

/// The link for a new call: the present one, or a new one as soon as there is a server.
Result<Client::State::Link*> Client::State::usable_link(Lock& lock, Moment deadline) {
  while (true) {
    if (link_ && link_->is_over()) retire_link();
    if (link_) return link_.get();
    if (!connecting_) {
      auto connected = connect_for_all(lock, deadline);
      if (!connected) return std::unexpected(std::move(connected.error()));
      continue;
    }
    const std::uint32_t attempt = attempts_.load();
    lock.unlock();
    os::futex_wait(attempts_, attempt, deadline);
    lock.lock();
    if (!deadline.is_never() && connecting_ && os::now() >= deadline) {
      return std::unexpected(no_time_left());
    }
  }
}

/// Makes a link while the others wait for it.
Result<void> Client::State::connect_for_all(Lock& lock, Moment deadline) {
  connecting_ = true;
  auto connected = or_no_memory([&] { return connect_and_wait(lock, deadline); });
  if (!lock) lock.lock();
  connecting_ = false;
  tell_who_waits();
  ring();  // for calls that were submitted meanwhile
  return connected;
}

Failure Client::State::no_time_left() const {
  return {Outcome::not_sent, Cause::deadline,
          address_.text() + ": the time ran out while connecting again"};
}

void Client::State::wait_until(Lock& lock, Moment moment) {
  lock.unlock();
  [[maybe_unused]] const auto slept = os::wait_for(std::span<pollfd>(), moment);
  lock.lock();
}

Result<void> Client::State::connect_and_wait(Lock& lock, Moment deadline) {
  Moment now = os::now();
  const Moment give_up = std::min(deadline, now + options_.reconnect_deadline);
  if (useless_until_ > now) {
    wait_until(lock, std::min(useless_until_, deadline));
    if (useless_until_ > deadline) return std::unexpected(no_time_left());
  }
  Nanoseconds pause = connect_pause_first;
  while (!link_) {  // process() may have made one meanwhile
    auto connected = connect_once(lock, deadline);
    now = os::now();
    if (connected || !may_come_back(connected.error()) || now + pause >= give_up) return connected;
    // The odd nanoseconds spread out clients which have all lost the same server.
    const Moment next = now + pause + Nanoseconds(now.nanoseconds() % (pause.count() / 2));
    wait_until(lock, std::min(next, give_up));
    pause = std::min(2 * pause, connect_pause_longest);
  }
  return {};
}

Result<void> Client::State::connect_once(Lock& lock, Moment deadline) {
  if (is_spent()) return std::unexpected(spent());
  const Moment start = os::now();
  const Moment limit = std::min(deadline, start + options_.connect_deadline);
  lock.unlock();
  auto connection = path::connect(address_, limit, options_.server_uid);
  lock.lock();
  if (!connection) return std::unexpected(std::move(connection.error()));
  auto link = make_link(std::move(*connection));
  if (!link) return std::unexpected(std::move(link.error()));
  return greet(std::move(*link), lock, start, limit);
}

/// Waits for HELLO on a link to which connecting began at `start`.
Result<void> Client::State::greet(std::unique_ptr<Link> link, Lock& lock, Moment start,
                                  Moment deadline) {
  const Moment limit = std::min(deadline, start + options_.connect_deadline);
  if (auto greeted = link->greet(lock, limit); !greeted) {
    const bool own_time = limit < start + options_.connect_deadline;
    if (own_time && greeted.error().cause() == Cause::deadline) {
      return std::unexpected(no_time_left());
    }
    return std::unexpected(not_ready(*link, greeted.error(), limit.since(start)));
  }
  watch(*link);
  use(std::move(link));
  return {};
}

/// Makes a link that has greeted the one for new calls. Two can be made at once, by a thread that
/// waits and by process(): the second is one too many, for the first may have calls on it.
void Client::State::use(std::unique_ptr<Link> link) {
  if (link_ && link_->is_over()) retire_link();
  if (link_) return unwatch(*link);
  link_ = std::move(link);
  ++connections_;
}

/// Those who wait for a connection look again whether there is one, or connect themselves.
void Client::State::tell_who_waits() {
  attempts_.fetch_add(1);
  os::futex_wake_all(attempts_);
}

void Client::State::watch(Link& link) {
  // When it fails for want of memory, process() still reads the link at its next deadline.
  if (!poller_ || !poller_->add(link.fd(), EPOLLIN, &link)) return;
  link.watched = EPOLLIN;
  link.watcher = &*poller_;
  link.watch_doorbell();
}

void Client::State::unwatch(Link& link) {
  if (!poller_ || std::exchange(link.watched, 0) == 0) return;
  poller_->remove(link.fd());
  link.unwatch_doorbell();
}

/// After a link on which nothing was answered the next one is made after a pause, or a server that
/// greets and goes would have us connect as fast as we can.
void Client::State::retire_link() {
  if (link_->was_of_use()) {
    useless_pause_ = Nanoseconds(0);
  } else {
    useless_pause_ = std::clamp(2 * useless_pause_, connect_pause_first, connect_pause_longest);
    useless_until_ = os::now() + useless_pause_;
  }
  retired_.push_back(std::move(link_));
  Link& link = *retired_.back();
  ++link.users;
  release(link);
}

/// One user less; the last one takes a link that is out of use with it.
void Client::State::release(Link& link) {
  if (--link.users > 0 || &link == link_.get()) return;
  unwatch(link);
  std::erase_if(retired_, [&](const auto& retired) { return retired.get() == &link; });
}

}  // namespace tincan
