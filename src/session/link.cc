#include "session/link.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/no_memory.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/socket.h"
#include "path/peer.h"

namespace tincan::session {

namespace {

using transport::Channel;

/// Room for a whole frame and as much again, so that replies which arrive together are read
/// together. Pages that are never touched cost nothing. Chosen, not tuned.
constexpr std::size_t input_bytes = 2 * (limits::fragment_bytes_max + sizeof(wire::FrameHeader));

/// How much later than asked a sleep may end: SO_RCVTIMEO is left alone when it is this close, for
/// setting it costs a system call. Promise 3 allows 20 ms.
constexpr Nanoseconds timeout_slack = std::chrono::milliseconds(5);
/// How short a SO_RCVTIMEO is left alone though a wait may be longer: to wake up for nothing once
/// in so long a time costs nothing. Chosen.
constexpr Nanoseconds timeout_idle = std::chrono::milliseconds(500);

/// How often process() reads before others get the lock, whatever the server sends. Chosen: 1 MiB,
/// well under a millisecond.
constexpr int reads_max = 8;

/// How long a pumping client sleeps before it makes its server work again. Chosen: what the server
/// does because time passes (deadlines) is due within a millisecond.
constexpr Nanoseconds pump_interval = std::chrono::milliseconds(1);

/// How long a link rests that cannot send descriptors because too many of this user are under way:
/// nothing tells when their receivers have taken some (F13). Chosen.
constexpr Nanoseconds link_rest = std::chrono::milliseconds(5);

protocol::Settings settings_of(const ClientOptions& options) {
  return {.payload_bytes_max = options.payload_bytes_max,
          .calls_in_flight_max = 0,  // a client has no methods
          .outgoing_calls_max = options.calls_in_flight_max,
          .descriptors_max = options.descriptors_max,
          // Only answers to our own calls come in, each of an agreed size: nothing to hold back.
          .incoming_bytes_max = UINT64_MAX,
          .outgoing_bytes_pause = UINT64_MAX,
          .clock_offset_nanoseconds = os::realtime_minus_monotonic(),
          .nonce = static_cast<std::uint64_t>(os::now().nanoseconds())};
}

}  // namespace

Link::Link(Descriptor socket, Peer peer, const ClientOptions& options, PayloadPool& pool,
           std::function<void()> pump)
    : channel_(std::move(socket)),
      peer_(std::move(peer)),
      accepts_descriptors_(options.descriptors_max > 0),
      verdict_grace_(options.verdict_grace),
      session_(settings_of(options), pool, *this),
      pump_(std::move(pump)),
      in_(aligned_bytes(input_bytes)) {}

template <class Step>
void Link::guard(Step step) noexcept {
  try {
    step();
  } catch (const std::bad_alloc&) {
    die(no_memory());
  }
}

Link::~Link() { path::forget_socket(peer_); }

Moment Link::now() { return os::now(); }

bool Link::rests() const { return write_again_ > Moment() && os::now() < write_again_; }

bool Link::wants_to_write() const { return !cannot_write_ && session_.unsent_bytes() > 0; }

Result<void> Link::greet(Lock& lock, Moment deadline) {
  write();
  for (Moment now = os::now(); session_.expects_hello() && !dead_ && now < deadline;
       now = os::now()) {
    wait(nullptr, lock, now, deadline);
  }
  if (dead_) return std::unexpected(*death_);
  if (session_.expects_hello()) {
    die(Failure(Cause::deadline, "no HELLO"));
    return std::unexpected(*death_);
  }
  return {};
}

Result<void> Link::start(LinkCall& call, bool write_now) {
  if (dead_) return std::unexpected(Failure(*death_).with_outcome(Outcome::not_sent));
  Result<void> started;
  guard([&] { started = session_.start(call); });
  if (dead_) return std::unexpected(no_memory());
  if (started && write_now) write();
  return started;
}

bool Link::give_up(LinkCall& call) {
  bool over = false;
  guard([&] { over = session_.give_up(call); });
  write();
  return over;
}

void Link::abandon(LinkCall& call) {
  guard([&] { session_.abandon(call); });
}

void Link::run(LinkCall& call, Lock& lock, Moment now, Moment deadline) {
  join(call);
  if (auto started = start(call); !started) {
    call.result = std::unexpected(std::move(started.error()));
  }
  while (!call.result) {
    if (cannot_write_) {
      [[maybe_unused]] const bool more = process();
      if (call.result || take_back(call)) break;
    }
    wait(&call, lock, now, deadline);
    if (call.result) break;
    now = os::now();
    if (now >= deadline) finish_after_deadline(call, lock, now);
  }
  leave(call);
}

void Link::finish_after_deadline(LinkCall& call, Lock& lock, Moment now) {
  const Moment end = now + verdict_grace_;
  const bool not_sent = give_up(call);
  // A frame that was begun has to be ended, or the server would wait for the rest of it.
  while ((not_sent ? wants_to_write() : !call.result) && !dead_ && now < end) {
    wait(&call, lock, now, end);
    now = os::now();
  }
  if (call.result) return;
  abandon(call);
  call.result =
      std::unexpected(Failure(not_sent ? Outcome::not_sent : Outcome::unknown, Cause::deadline));
  // With a frame half written; but calls of others may still be answered.
  if (wants_to_write() && users == 1) {
    guard([&] { die(Failure(Cause::closed, "the server reads nothing")); });
  }
}

void Link::join(LinkCall& call) {
  call.previous = last_;
  call.next = nullptr;
  (last_ == nullptr ? first_ : last_->next) = &call;
  last_ = &call;
}

void Link::leave(LinkCall& call) {
  (call.previous == nullptr ? first_ : call.previous->next) = call.next;
  (call.next == nullptr ? last_ : call.next->previous) = call.previous;
  if (first_ == nullptr) return;
  if (!reading_) {
    // When nobody sleeps, whoever is awake will see that nobody reads.
    if (!wake_sleeper()) ring_room_waiter();
  } else if (room_waiter_ == nullptr && wants_to_write() && !rests()) {
    wake_sleeper();
  }
}

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
    read_for_all(lock, now, until);
    reading_ = false;
    return;
  }
  TINCAN_CHECK(call != nullptr);
  if (room_waiter_ == nullptr && wants_to_write() && !rests()) {
    wait_for_room(*call, lock, until);
  } else {
    sleep(*call, lock, rests() ? std::min(until, write_again_) : until);
    write();
  }
}

void Link::read_for_all(Lock& lock, Moment now, Moment until) {
  const bool for_room = wants_to_write() && !rests();
  if (rests()) until = std::min(until, write_again_);
  lock.unlock();
  os::Sys<Channel::Read> read = os::failed(ENOMEM);
  try {
    read = read_waiting(now, until, for_room);
  } catch (const std::bad_alloc&) {  // for descriptors that came along
  }
  lock.lock();
  guard([&] { take(std::move(read)); });
  write();  // also the calls that waited for a slot which is free now
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

void Link::write() {
  guard([&] { write_some(); });
}

void Link::write_some() {
  while (session_.has_output() && !dead_ && !cannot_write_ && !rests()) {
    const auto chunk = session_.output();
    if (chunk.bytes.empty()) return;
    const auto written = channel_.write(chunk.bytes, chunk.descriptors);
    if (written) {
      session_.written(*written);
      continue;
    }
    if (written.error().code == EAGAIN) return;
    if (written.error().code == ETOOMANYREFS) {
      write_again_ = os::now() + link_rest;
      return;
    }
    return stop_writing();
  }
}

/// What the server said before it went is still to be read, and that will end in its own error;
/// unless it has closed one direction only.
void Link::stop_writing() {
  cannot_write_ = true;
  for (LinkCall* call = first_; call != nullptr; call = call->next) wake(*call);
  ring_room_waiter();
}

bool Link::take_back(LinkCall& call) {
  if (dead_ || !cannot_write_ || call.result) return false;
  guard([&] {
    Failure why(Outcome::not_sent, Cause::closed, "the server reads nothing more");
    if (session_.give_up(call)) call.result = std::unexpected(std::move(why));
  });
  return call.result.has_value();
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

os::Sys<Channel::Read> Link::read_now() {
  return channel_.read(input_room(), accepts_descriptors_ ? &arriving_ : nullptr);
}

os::Sys<Channel::Read> Link::read_waiting(Moment now, Moment until, bool for_room) {
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
    return read_now();
  }
  set_timeout(now, until);
  return channel_.read_waiting(input_room(), accepts_descriptors_ ? &arriving_ : nullptr);
}

void Link::take(os::Sys<Channel::Read> read) {
  if (dead_) return;
  if (!read) {
    const int error = read.error().code;
    if (error == EAGAIN) return;
    if (os::is_shortage(error)) return die(Failure(Cause::exhausted, {}, error));
    return die(Failure(Cause::closed, "the connection broke", error == ECONNRESET ? 0 : error));
  }
  if (read->bytes == 0) return die(Failure(Cause::closed, "the server has gone"));
  if (read->descriptors_lost) {
    return die(Failure(Cause::exhausted, "no room for the descriptors of a reply", EMFILE));
  }
  session_.arrived(std::exchange(arriving_, {}));
  in_end_ += read->bytes;
  decode();
}

void Link::decode() {
  const auto consumed = session_.receive({in_.get() + in_begin_, in_end_ - in_begin_});
  if (!consumed) {
    if (consumed.error().cause() == Cause::breach) {
      session_.say_goodbye({.reason = wire::Reason::breach, .text = consumed.error().detail()});
      write();
    }
    return die(consumed.error());
  }
  in_begin_ += *consumed;
}

bool Link::process() {
  if (dead_) return false;
  write();
  bool more = true;
  for (int reads = 0; more && !reading_ && !dead_ && reads < reads_max; ++reads) {
    guard([&] {
      auto read = read_now();
      more = read || read.error().code != EAGAIN;
      take(std::move(read));
    });
  }
  if (!dead_) write();
  return more && !reading_ && !dead_;
}

void Link::die(Failure why) {
  if (dead_) return;
  dead_ = true;
  death_ = std::move(why);
  session_.end(*death_);
  ring_room_waiter();
}

void Link::on_end(protocol::OutgoingCall& outgoing, Result<protocol::Answer>&& result) {
  auto& call = static_cast<LinkCall&>(outgoing);
  // Not by its end or by DRAIN, which end what was never answered.
  of_use_ = of_use_ || result || result.error().cause() == Cause::declared;
  call.result = std::move(result);
  if (call.ended != nullptr) return call.ended(call);
  if (!wake(call) && &call == room_waiter_) ring_room_waiter();
}

}  // namespace tincan::session
