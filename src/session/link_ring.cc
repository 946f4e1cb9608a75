#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/printable.h"
#include "os/clock.h"
#include "os/shortage.h"
#include "session/link.h"
#include "session/ring_breach.h"

// The ring of a link: when it is asked for, how it is agreed on, and how its reader waits.

namespace tincan::session {

namespace {

using wire::Upgrade;

std::unexpected<Failure> no_means(std::string what, int error) {
  const Cause cause = error == ENOSYS ? Cause::unsupported : Cause::exhausted;
  return std::unexpected(Failure(cause, what + ": " + os::describe_shortage(error), error));
}

Upgrade step_of(Upgrade::Step step, std::uint64_t capacity_bytes = 0,
                std::string_view reason = {}) {
  return {.step = step, .capacity_bytes = capacity_bytes, .reason = reason};
}

}  // namespace

/// Called for each call while there is no ring.
void Link::consider_ring(Moment now) {
  if (ring_options_.transport != Transport::automatic) return;
  if (calls_since_ == Moment()) calls_since_ = now;
  if (++calls_ < ring_options_.after_calls) return;
  const bool often = now.since(calls_since_) <= ring_options_.window;
  calls_ = 0;
  calls_since_ = now;
  if (!often || now < ask_again_ || pump_ || is_over() || !session_.may(wire::ability_ring)) return;
  guard([&] { ask_for_ring(); });
}

void Link::ask_for_ring() {
  Upgrade wish = step_of(Upgrade::Step::ask, ring_options_.bytes);
  wish.kept = insists();
  ring_ = std::make_unique<ClientRing>();
  ring_->id = ++rings_asked_for_;
  ring_->wished_bytes = wish.capacity_bytes;
  session_.upgrade(ring_->id, wish, {});
}

void Link::on_hello() {
  if (!insists()) return;
  if (session_.may(wire::ability_ring) && !pump_) return ask_for_ring();
  ring_lack_ = Failure(Cause::unsupported,
                       pump_ ? "a client that shares its thread with the server cannot have one"
                             : "the server takes none: its rings_max is 0, or it is too old");
}

const char* Link::on_upgrade(std::uint64_t id, const Upgrade& step,
                             std::vector<Descriptor>&& descriptors) {
  using Step = Upgrade::Step;
  using Stage = ClientRing::Stage;
  if (ring_ != nullptr && ring_->larger.id == id && id != 0) return take_word_of_larger(step);
  if (ring_ == nullptr || ring_->id != id) return "UPGRADE for no wish of ours";
  const Stage stage = ring_->stage;
  if (step.step == Step::grant && stage == Stage::asked) {
    if (!may_be_granted(step.capacity_bytes, ring_->wished_bytes)) return not_asked_for;
    offer_ring(step.capacity_bytes);
    return nullptr;
  }
  if (step.step == Step::accept && stage == Stage::offered) {
    return take_acceptance(std::move(descriptors));
  }
  if (step.step != Step::refuse || stage == Stage::in_use) return "UPGRADE out of order";
  // A server that goes may have a successor.
  const Cause cause = session_.peer_is_draining() ? Cause::closed : Cause::exhausted;
  take_refusal(Failure(cause, printable(step.reason, step.reason.size())));
  return nullptr;
}

void Link::take_refusal(Failure why) {
  ring_refusal_ = why.detail();
  if (insists()) ring_lack_ = std::move(why);
  ring_pause_ = std::clamp(2 * ring_pause_, ring_pause_first, ring_pause_longest);
  ask_again_ = os::now() + ring_pause_;
  ring_.reset();
}

/// Of what was granted: we cannot.
void Link::give_ring_up(Failure why) {
  session_.upgrade(ring_->id, step_of(Upgrade::Step::refuse, 0, why.detail()), {});
  take_refusal(std::move(why));
}

void Link::offer_ring(std::size_t capacity_bytes) {
  if (auto made = make_ring(capacity_bytes); !made) give_ring_up(std::move(made.error()));
}

/// Offers it, if everything that it takes can be had.
Result<void> Link::make_ring(std::size_t capacity_bytes) {
  auto made = transport::RingMemory::make(capacity_bytes);
  if (!made) return no_means("no shared memory for it", made.error().code);
  if (insists()) {
    if (auto locked = made->memory.lock(); !locked) {
      const int error = locked.error().code;
      const auto bytes = std::to_string(2 * transport::memory_bytes(capacity_bytes) / 1024);
      return std::unexpected(
          Failure(Cause::exhausted,
                  "cannot lock " + bytes + " KiB: " + os::describe_lock_shortage(error), error));
    }
  }
  auto hears = make_bells();
  if (!hears) return std::unexpected(std::move(hears.error()));
  std::vector<Descriptor> sent;
  sent.push_back(std::move(made->files.to_server));
  sent.push_back(std::move(made->files.to_client));
  sent.push_back(std::move(*hears));
  ring_->memory = std::move(made->memory);
  ring_->stage = ClientRing::Stage::offered;
  session_.upgrade(ring_->id, step_of(Upgrade::Step::offer, capacity_bytes), std::move(sent));
  return {};
}

/// What it takes to wait at a ring. Returns where the server is to watch for our doorbell.
Result<Descriptor> Link::make_bells() {
  auto doorbell = os::Doorbell::create();
  if (!doorbell) return no_means("no doorbell for it", doorbell.error().code);
  auto hears = doorbell->duplicate_listening_end();
  auto with_move = doorbell->duplicate_listening_end();
  if (!hears || !with_move) {
    return no_means("no doorbell for it", (hears ? with_move : hears).error().system_error());
  }
  auto poller = os::Poller::create();
  if (!poller) return no_means("no poller for it", poller.error().code);
  auto kick = os::Bell::create();
  if (!kick) return no_means("no poller for it", kick.error().code);
  const auto socket = poller->add(channel_.fd(), EPOLLIN, &channel_);
  const auto bell = poller->add(kick->fd(), EPOLLIN, &ring_->kick);
  if (!socket || !bell) return no_means("no poller for it", (socket ? bell : socket).error().code);
  ring_->doorbell = std::move(*doorbell);
  ring_->goes_with_the_move = std::move(*with_move);
  ring_->poller = std::move(*poller);
  ring_->kick = std::move(*kick);
  return hears;
}

const char* Link::take_acceptance(std::vector<Descriptor>&& descriptors) {
  if (os::is_listening_end(descriptors[0].get()) != true) return "a doorbell that is none";
  channel_.add_ring(std::move(*ring_->memory), std::move(*ring_->doorbell),
                    os::DoorbellListener(std::move(descriptors[0])));
  ring_->memory.reset();
  ring_->doorbell.reset();
  if (insists()) channel_.insist_on_ring();
  channel_.move_input();
  ring_->stage = ClientRing::Stage::in_use;
  const bool added =
      ring_->poller->add(channel_.doorbell_fd(), EPOLLIN | EPOLLET, ring_.get()).has_value() &&
      watch_doorbell();
  if (!added) throw std::bad_alloc();  // the only reason, for it is a pipe of its own
  std::vector<Descriptor> sent;
  sent.push_back(std::move(ring_->goes_with_the_move));
  session_.upgrade(ring_->id, step_of(Upgrade::Step::moved), std::move(sent));
  ring_pause_ = Nanoseconds(0);
  ring_refusal_.clear();
  return nullptr;
}

void Link::move_output() {
  session_.outbox().go_on();
  channel_.move_output();
  session_.say_cpu(protocol::Session::cpu_unknown);  // it stands in the ring
  write_some();
}

/// True when there is nothing to be watched, or it is.
bool Link::watch_doorbell() {
  if (watcher == nullptr || channel_.doorbell_fd() < 0) return true;
  void* const tag = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(this) | doorbell_bit);
  return watcher->add(channel_.doorbell_fd(), EPOLLIN | EPOLLET, tag).has_value();
}

void Link::unwatch_doorbell() {
  if (watcher != nullptr && channel_.doorbell_fd() >= 0) watcher->remove(channel_.doorbell_fd());
}

void Link::notice(bool rung) {
  if (reading_) return;  // its reader sees for itself
  if (rung) {
    channel_.rung();
    channel_.wake_up();
  } else {
    channel_.socket_has_news();
  }
}

bool Link::let_ring_sleep() {
  if (!channel_.has_ring() || reading_ || dead_) return true;
  return channel_.fall_asleep(true, wants_to_write() && !rests());
}

/// After each look at it, by whoever reads: it may be over, or too small.
void Link::tend_ring() {
  if (channel_.is_ring_over()) {
    leave_ring();
  } else {
    consider_growth();
  }
}

/// Whoever reads is to look again: there is something to write and no room.
void Link::kick_reader() {
  if (std::exchange(ring_->reader_knows, true)) return;
  ring_->kick->ring();
}

/// As read_for_all. All of it but sleeping is done with the lock, for the ring has one thread at a
/// time.
void Link::read_ring_for_all(const LinkCall* call, Lock& lock, Moment until) {
  if (rests()) until = std::min(until, write_again_);
  const bool nothing_there = !read_ring();
  const bool ended = call != nullptr && call->result;  // one-way, and written just now
  // When it is over, what follows from that comes before any sleep: see tend_ring.
  const bool goes_on = !ended && !dead_ && channel_.has_ring() && !channel_.is_ring_over();
  if (nothing_there && goes_on) {
    if (!look_at_ring(lock, until)) {
      sleep_at_ring(lock, until);
    } else if (!dead_) {
      (void)read_ring();
    }
  }
  if (!dead_ && ring_ != nullptr) tend_ring();
}

/// And writes what came of it. False: there was nothing.
bool Link::read_ring() {
  bool something_there = true;
  guard([&] {
    auto read = read_now(wants_descriptors());
    something_there = read || read.error().code != EAGAIN;
    take(std::move(read));
  });
  write();
  return something_there;
}

/// Looks for a moment whether something comes, if that is likely. With something to write it does
/// not: it would not see that there is room.
bool Link::look_at_ring(Lock& lock, Moment until) {
  if (!channel_.reads_from_ring()) return false;
  const std::uint32_t cpu = os::current_cpu();
  channel_.say_cpu(cpu);
  if (wants_to_write() || !spins_.is_worthwhile(channel_.peer_cpu(), cpu)) return false;
  const auto watch = channel_.watch();
  lock.unlock();
  const bool came = spins_.look_for(watch, until);
  if (came) os::fetch_lines(watch.come(os::fetched_bytes_max));
  lock.lock();
  return came;
}

void Link::sleep_at_ring(Lock& lock, Moment until) {
  const bool for_room = wants_to_write() && !rests();
  if (spins_.never_sleeps()) {
    until = Moment();  // only a look at the socket
  } else if (!channel_.fall_asleep(true, for_room)) {
    return;
  }
  const bool at_socket =
      (for_room || channel_.is_returning()) && channel_.waits_for_room_at_socket();
  const std::uint32_t events_wanted = at_socket ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (events_wanted != ring_->watched_for &&
      ring_->poller->change(channel_.fd(), events_wanted, &channel_)) {
    ring_->watched_for = events_wanted;
  }
  ring_->reader_knows = for_room;
  std::array<epoll_event, 4> room;
  const Moment start = os::now();
  lock.unlock();
  const auto events = ring_->poller->wait(room, until);
  lock.lock();
  spins_.slept_since(start);
  ring_->reader_knows = false;
  channel_.wake_up();
  if (!events) return;
  for (const epoll_event& event : *events) {
    if (event.data.ptr == ring_.get()) channel_.rung();
    if (event.data.ptr == &channel_ && (event.events & ~std::uint32_t{EPOLLOUT}) != 0) {
      channel_.socket_has_news();
    }
    if (event.data.ptr == &ring_->kick) ring_->kick->quiet();
  }
}

}  // namespace tincan::session
