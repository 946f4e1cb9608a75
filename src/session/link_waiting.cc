#include <cstring>
#include <utility>

#include "base/check.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/socket.h"
#include "session/link.h"

// How the threads of a client wait on a link: one at the socket for all, the others each on a word
// of its own.

namespace tincan::session {

namespace {

using transport::Channel;

/// How much later than asked a sleep may end: SO_RCVTIMEO is left alone when it is this close, for
/// setting it costs a system call. Promise 3 allows 20 ms.
constexpr Nanoseconds timeout_slack = std::chrono::milliseconds(5);
/// How short a SO_RCVTIMEO is left alone though a wait may be longer: to wake up for nothing once
/// in so long a time costs nothing. Chosen.
constexpr Nanoseconds timeout_idle = std::chrono::milliseconds(500);

/// How long a pumping client sleeps before it makes its server work again. Chosen: what the server
/// does because time passes (deadlines) is due within a millisecond.
constexpr Nanoseconds pump_interval = std::chrono::milliseconds(1);

}  // namespace

/// True when its thread slept. Whether it does changes only under the lock, which is held.
bool Link::wake(LinkCall& call) {
  if (call.word.load(std::memory_order_relaxed) != LinkCall::asleep) return false;
  call.word.store(LinkCall::woken, std::memory_order_relaxed);
  os::futex_wake(call.word);
  return true;
}

/// Wakes one whose call has not ended, to read or to wait for room. False: nobody sleeps.
bool Link::wake_sleeper() {
  for (LinkCall* call = first_; call != nullptr; call = call->next) {
    if (!call->result && wake(*call)) return true;
  }
  return false;
}

void Link::ring_room_waiter() {
  if (room_waiter_ != nullptr && room_bell_) room_bell_->ring();
}

/// Waits for something to happen to `call`, in whichever way is needed now. Without a call nobody
/// else knows of the link yet, and so nobody reads.
void Link::wait(LinkCall* call, Lock& lock, Moment now, Moment until) {
  if (!reading_) {
    reading_ = true;
    read_for_all(call, lock, now, until);
    reading_ = false;
    return;
  }
  TINCAN_CHECK(call != nullptr);
  if (channel_.has_ring()) {
    if (wants_to_write() && !rests()) kick_reader();
    sleep(*call, lock, rests() ? std::min(until, write_again_) : until);
    write();
  } else if (room_waiter_ == nullptr && wants_to_write() && !rests()) {
    wait_for_room(*call, lock, until);
  } else {
    sleep(*call, lock, rests() ? std::min(until, write_again_) : until);
    write();
  }
}

void Link::read_for_all(const LinkCall* call, Lock& lock, Moment now, Moment until) {
  if (channel_.has_ring()) return read_ring_for_all(call, lock, until);
  const bool for_room = wants_to_write() && !rests();
  const bool with_descriptors = wants_descriptors();  // which others may change meanwhile
  const bool looks = !for_room && !pump_ && spins_.is_worthwhile(session_.peer_cpu());
  if (rests()) until = std::min(until, write_again_);
  lock.unlock();
  os::Sys<Channel::Read> read = os::failed(ENOMEM);
  try {
    if (looks) read = look_at_socket(until, with_descriptors);
    if (!looks || (!read && read.error().code == EAGAIN && !spins_.never_sleeps())) {
      if (looks) now = os::now();
      read = read_waiting(now, until, for_room, with_descriptors);
      if (!spins_.always_sleeps()) spins_.slept_since(now);
    }
  } catch (const std::bad_alloc&) {  // for descriptors that came along
  }
  lock.lock();
  guard([&] { take(std::move(read)); });
  write();  // also the calls that waited for a slot which is free now
}

/// Reads as soon as there is something, for a moment. EAGAIN: nothing came.
os::Sys<Channel::Read> Link::look_at_socket(Moment until, bool with_descriptors) {
  os::Sys<Channel::Read> read = os::failed(EAGAIN);
  const auto has_come = [&] {
    read = read_now(with_descriptors);
    return read || read.error().code != EAGAIN;
  };
  [[maybe_unused]] const bool came = spins_.look_for(has_come, until);
  return read;
}

void Link::sleep(LinkCall& call, Lock& lock, Moment until) {
  call.word.store(LinkCall::asleep, std::memory_order_relaxed);
  lock.unlock();
  os::futex_wait(call.word, LinkCall::asleep, until);
  lock.lock();
  call.word.store(LinkCall::awake, std::memory_order_relaxed);
}

/// Until there is room, or a result, or nobody reads.
void Link::wait_for_room(LinkCall& call, Lock& lock, Moment until) {
  if (!room_bell_) {
    if (auto bell = os::Bell::create()) room_bell_ = std::move(*bell);
  }
  room_waiter_ = &call;
  pollfd descriptors[2] = {{channel_.fd(), POLLOUT, 0},
                           {room_bell_ ? room_bell_->fd() : -1, POLLIN, 0}};
  // Without a bell (no descriptor free) nobody tells us what else has happened: look now and then.
  const Moment limit =
      room_bell_ ? until : std::min(until, os::now() + std::chrono::milliseconds(1));
  lock.unlock();
  [[maybe_unused]] const auto ready = os::wait_for(descriptors, limit);
  lock.lock();
  room_waiter_ = nullptr;
  if (room_bell_) room_bell_->quiet();
  if (!dead_) write();
}

void Link::set_timeout(Moment now, Moment until) {
  // The longest the kernel takes is far beyond any call; 0 would be for ever.
  static constexpr Nanoseconds longest = std::chrono::hours(24);
  const Nanoseconds left =
      std::clamp(until.since(now), Nanoseconds(std::chrono::microseconds(1)), longest);
  const bool soon_enough = timeout_ > Nanoseconds(0) && timeout_ <= left + timeout_slack;
  const bool seldom_enough = timeout_ >= left / 2 || timeout_ >= timeout_idle;
  if (soon_enough && seldom_enough) return;
  if (os::set_receive_timeout(channel_.fd(), left)) timeout_ = left;
}

/// Where the next bytes go: behind those that wait for the rest of their frame.
std::span<std::byte> Link::input_room() {
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  if (input_bytes - in_end_ < input_bytes / 2) {
    std::memmove(in_.get(), in_.get() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  return {in_.get() + in_end_, input_bytes - in_end_};
}

os::Sys<Channel::Read> Link::read_now(bool with_descriptors) {
  return channel_.read(input_room(), with_descriptors ? &arriving_ : nullptr);
}

os::Sys<Channel::Read> Link::read_waiting(Moment now, Moment until, bool for_room,
                                          bool with_descriptors) {
  if (pump_) {
    pump_();
    // When nothing came of it, the request was kept for later, or the deadline has to pass.
    until = std::min(until, os::now() + pump_interval);
  }
  if (for_room || peer_.inherited()) {
    // The flags and time limits of an inherited socket belong to its giver as well.
    const auto events = static_cast<short>(for_room ? POLLIN | POLLOUT : POLLIN);
    const auto ready = os::wait_for(channel_.fd(), events, until);
    if (!ready) return std::unexpected(ready.error());
    return read_now(with_descriptors);
  }
  set_timeout(now, until);
  return channel_.socket().read_waiting(input_room(), with_descriptors ? &arriving_ : nullptr);
}

}  // namespace tincan::session
