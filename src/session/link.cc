#include "session/link.h"

#include <utility>

#include "base/check.h"
#include "base/no_memory.h"
#include "os/clock.h"
#include "os/socket.h"
#include "path/peer.h"
#include "session/ring_breach.h"

namespace tincan::session {

namespace {

using transport::Channel;

/// How often process() reads before others get the lock, whatever the server sends. Chosen: 1 MiB,
/// well under a millisecond.
constexpr int reads_max = 8;

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
          .abilities =
              wire::ability_batch | wire::ability_handover |
              (options.transport == Transport::socket ? 0 : std::uint64_t{wire::ability_ring}) |
              (options.shared_views ? std::uint64_t{wire::ability_shared_views} : 0),
          .loans_max = options.views_max,
          .loan_bytes_max = options.view_bytes_max,
          .always_takes_loans = options.views_max > 0,
          .clock_offset_nanoseconds = os::realtime_minus_monotonic(),
          .nonce = static_cast<std::uint64_t>(os::now().nanoseconds())};
}

}  // namespace

Link::Link(Descriptor socket, Peer peer, const ClientOptions& options, PayloadPool& pool,
           std::function<void()> pump, std::shared_ptr<ViewHome> view_home)
    : channel_(std::move(socket)),
      peer_(std::move(peer)),
      accepts_descriptors_(options.descriptors_max > 0 || options.views_max > 0),
      verdict_grace_(options.verdict_grace),
      settings_(settings_of(options)),
      session_(settings_, pool, *this),
      pump_(std::move(pump)),
      ring_options_{.transport = options.transport,
                    .bytes = options.ring_bytes,
                    .bytes_max = options.ring_bytes_max,
                    .after_calls = options.ring_after_calls,
                    .after_fills = options.ring_after_fills,
                    .window = options.ring_window},
      spins_(options.waiting),
      stream_buffer_bytes_(options.stream_buffer_bytes),
      in_(aligned_bytes(input_bytes)) {
  if (options.views_max == 0) return;
  views_ = std::make_unique<Views>(
      std::make_shared<MemoryBudget>(options.view_bytes_max, options.view_bytes_max),
      MemoryBudget::nobody, std::move(view_home));
}

Link::~Link() {
  if (loans_) loans_->close();
  path::forget_socket(peer_);
}

Moment Link::now() { return os::now(); }

bool Link::rests() const { return write_again_ > Moment() && os::now() < write_again_; }

bool Link::wants_to_write() const {
  return !cannot_write_ && (session_.unsent_bytes() > 0 || channel_.is_returning());
}

Result<void> Link::greet(Lock& lock, Moment deadline) {
  write();
  for (Moment now = os::now(); !is_ready() && !dead_ && now < deadline; now = os::now()) {
    wait(nullptr, lock, now, deadline);
  }
  if (dead_) return std::unexpected(*death_);
  if (is_ready()) return {};
  die(Failure(Cause::deadline, greeted() ? "no ring" : "no HELLO"));
  return std::unexpected(*death_);
}

Result<void> Link::start(LinkCall& call, bool write_now) {
  if (dead_) return std::unexpected(Failure(*death_).with_outcome(Outcome::not_sent));
  Result<void> started;
  if (!spins_.always_sleeps() && !channel_.writes_to_ring()) session_.say_cpu(os::current_cpu());
  guard([&] {
    if (call.lending.memory != nullptr) [[unlikely]] {
      if (started = prepare_loan(call); !started) return;
    }
    started = session_.start(call);
  });
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
  count_call(now);
  if (call.is_batch) prepare_batch(call);
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

void Link::prepare_batch(LinkCall& call) {
  call.goes_into_ring = channel_.has_ring();
  if (std::exchange(is_for_streams_, true)) return;
  // A refusal costs speed alone.
  [[maybe_unused]] const auto set = os::set_send_buffer(channel_.fd(), stream_buffer_bytes_);
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

void Link::write_all() {
  guard([&] {
    write_some();
    session_.outbox().keep_lent();
  });
}

void Link::write_some() {
  if (channel_.is_returning()) [[maybe_unused]]
    const auto later = channel_.flush();
  while (session_.has_output() && !dead_ && !cannot_write_ && !rests()) {
    const auto chunk = session_.output();
    if (chunk.bytes.empty()) break;
    const auto written = channel_.write(chunk.bytes, chunk.descriptors);
    if (written) {
      session_.written(*written);
      continue;
    }
    if (written.error().code == EAGAIN) return;
    if (os::is_shortage(written.error().code)) {
      write_again_ = os::now() + link_rest;
      return;
    }
    if (written.error().code == EPROTO) return die(ring_breach());
    return stop_writing();
  }
  if (ring_ != nullptr && session_.outbox().is_stopped()) move_output();
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
  return static_cast<bool>(call.result);
}

void Link::take(os::Sys<Channel::Read> read) {
  if (dead_) return;
  if (!read) {
    const int error = read.error().code;
    if (error == EAGAIN) return;
    if (error == EPROTO) return die(ring_breach());
    if (error == ESTALE) return die(Failure(Cause::closed, "the server took its ring back"));
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
  if (ring_lack_) die(*ring_lack_);
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
      auto read = read_now(wants_descriptors());
      more = read || read.error().code != EAGAIN;
      take(std::move(read));
    });
  }
  if (!dead_) write();
  if (ring_ != nullptr && !reading_) tend_ring();
  return more && !reading_ && !dead_;
}

void Link::die(Failure why) {
  if (dead_) return;
  dead_ = true;
  death_ = std::move(why);
  session_.end(*death_);
  if (loans_) loans_->close();
  ring_room_waiter();
  // Also when it sleeps for room, of which the server may never give any.
  if (reading_ && channel_.has_ring()) ring_->kick->ring();
}

void Link::on_end(protocol::OutgoingCall& outgoing, Failure* failure) {
  auto& call = static_cast<LinkCall&>(outgoing);
  // Not by its end or by DRAIN, which end what was never answered.
  of_use_ = of_use_ || failure == nullptr || failure->cause() == Cause::declared;
  if (failure == nullptr) {
    call.result.set_answered();
    if (call.answer.loan.number != 0) [[unlikely]]
      take_view(call);
  } else {
    if (call.lending.memory != nullptr) [[unlikely]]
      take_back_refused(call, *failure);
    call.result = std::unexpected(std::move(*failure));
  }
  if (call.ended != nullptr) return call.ended(call);
  if (!wake(call) && &call == room_waiter_) ring_room_waiter();
}

}  // namespace tincan::session
