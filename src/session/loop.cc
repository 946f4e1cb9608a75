#include "session/loop.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/printable.h"
#include "os/clock.h"
#include "session/loop_tags.h"
#include "session/service.h"

namespace tincan::session {

namespace {

/// Events taken from epoll at once: one turn is bounded by them, so that a loop which is embedded
/// in another gives way. Chosen, not tuned.
constexpr std::size_t events_per_turn = 256;
/// Output buffers kept for use again, and how large each may have grown. Chosen: as much unsent as
/// a session encodes ahead, for a few connections at once.
constexpr std::size_t spare_buffers_max = 16;
constexpr std::size_t spare_buffer_bytes_max = 5 * limits::fragment_bytes_max;

/// Lines about peers in one second; more are dropped, and counted in the next that is written.
constexpr unsigned log_lines_max = 10;
constexpr std::size_t log_line_bytes_max = 300;
/// How long a connection rests that cannot send descriptors because too many of this user are under
/// way: the receivers have to take some first. Chosen.
constexpr Nanoseconds connection_rest = std::chrono::milliseconds(10);

thread_local Loop* current_loop = nullptr;

}  // namespace

/// Says whose turn runs on this thread, for as long as it does, however it ends.
class Loop::Turning {
 public:
  explicit Turning(Loop& loop) : outer_(std::exchange(current_loop, &loop)) {}
  Turning(const Turning&) = delete;
  Turning& operator=(const Turning&) = delete;
  ~Turning() { current_loop = outer_; }

 private:
  Loop* const outer_;
};

Loop* Loop::current() { return current_loop; }

Result<std::unique_ptr<Loop>> Loop::create(Service& service) {
  auto poller = os::Poller::create();
  auto bell = os::Bell::create();
  const auto failure = [](int error) {
    return std::unexpected(Failure(Cause::exhausted, "no descriptor for another loop", error));
  };
  if (!poller) return failure(poller.error().code);
  if (!bell) return failure(bell.error().code);
  auto loop = std::unique_ptr<Loop>(new Loop(service, std::move(*poller), std::move(*bell)));
  const auto stop = loop->poller_.add(service.stop_fd(), EPOLLIN, &stop_tag);
  const auto mail = loop->poller_.add(loop->mailbox_->fd(), EPOLLIN, &mailbox_tag);
  if (!stop || !mail) return failure(!stop ? stop.error().code : mail.error().code);
  if (service.listener() >= 0 && !service.single_connection()) {
    const auto added =
        loop->poller_.add(service.listener(), EPOLLIN | EPOLLEXCLUSIVE, &listener_tag);
    if (!added) return failure(added.error().code);
    loop->listening_ = true;
  }
  return loop;
}

Loop::Loop(Service& service, os::Poller poller, os::Bell bell)
    : service_(service),
      poller_(std::move(poller)),
      mailbox_(std::make_shared<Mailbox>(std::move(bell), service.pool)),
      input_(aligned_bytes(input_bytes)),
      events_(events_per_turn),
      spins_(service.options.waiting) {
  spare_buffers_.reserve(spare_buffers_max);
}

Loop::~Loop() {
  const Turning turning(*this);  // requests that are let go below come back here
  mailbox_->close();
  empty_mailbox();
  close_all();
  end_buried();
  while (free_requests_ != nullptr) {
    delete std::exchange(free_requests_, free_requests_->next_in_mailbox);
  }
}

void Loop::take_back_buffer(Buffer& used) {
  const bool is_kept = spare_buffers_.size() < spare_buffers_.capacity() &&
                       used.capacity() <= spare_buffer_bytes_max;
  used.clear();
  if (is_kept) {
    spare_buffers_.push_back(std::move(used));
  } else {
    used = Buffer();
  }
}

/// The handler that ran last has ended when the clock is looked at again.
Moment Loop::read_clock() {
  clock_ = os::now();
  if (running_ != nullptr) note_slow_handler();
  return clock_;
}

/// But for what is to be read at once.
inline Moment Loop::next_due() const {
  Moment earliest = std::min({accept_again_, drain_deadline_, write_again_, next_look_at_rings()});
  if (!handshakes_.empty()) earliest = std::min(earliest, handshakes_.front().deadline);
  return earliest;
}

Moment Loop::deadline() const { return to_read_.empty() ? next_due() : Moment(); }

bool Loop::turn(Moment until) {
  if (current_loop == this) return true;
  if (service_.is_forked()) return false;
  const Turning turning(*this);
  ++turns_;
  const auto events = wait(std::min(until, deadline()));
  if (service_.is_forked()) return false;  // a handler has returned in a child
  ConnectionQueue left_over;
  left_over.take(to_read_);
  if (events) {
    for (const epoll_event& event : *events) {
      dispatch(event);
      if (service_.is_forked()) return false;
    }
  }
  // Without those that had an event just now, and still have more to be read.
  while (Connection* const connection = left_over.pop()) {
    if (Connection* const next = left_over.front()) next->fetch_ahead();
    handle(*connection, 0);
    if (service_.is_forked()) return false;
  }
  clock_is_of_arrival_ = false;
  end_turn();
  return !drain_has_ended();
}

void Loop::dispatch(const epoll_event& event) {
  if (event.data.ptr == &listener_tag) return accept_some();
  if (event.data.ptr == &mailbox_tag) return empty_mailbox();
  if (event.data.ptr == &stop_tag) return begin_drain();
  const auto tag = reinterpret_cast<std::uintptr_t>(event.data.ptr);
  auto& connection = *reinterpret_cast<Connection*>(tag & ~Connection::doorbell_bit);
  if (connection.is_closed()) return;
  if ((tag & Connection::doorbell_bit) == 0) return handle(connection, event.events);
  guard(connection, [&] { connection.rung(); });
}

void Loop::handle(Connection& connection, std::uint32_t events) {
  guard(connection, [&] { connection.handle(events); });
}

void Loop::give_up(Connection& connection, const std::exception& exception) noexcept {
  try {
    // Closed before it is named: what closing gives back may be what naming takes.
    connection.close();
    log_about_peer("closed a connection of " + connection.name() + ": " + exception.what());
  } catch (const std::exception&) {
    // Without memory for the line there is none.
  }
}

void Loop::note_slow_handler() {
  const Nanoseconds held = clock_.since(handler_start_);
  const MethodEntry* const method = std::exchange(running_, nullptr);
  if (held < service_.slow_handler) return;
  try {
    service_.log("the handler of " + method->name + " held its loop for " +
                 std::to_string(held.count() / 1'000'000) +
                 " ms; move slow work to a thread and answer from there");
  } catch (const std::exception&) {
    // As above; and whose turn it is has nothing to do with it.
  }
}

void Loop::end_turn() {
  while (Connection* const connection = to_flush_.pop()) {
    guard(*connection, [&] { connection->flush(); });
  }
  const Moment due = next_due();
  turn_ended_ = Moment();
  if (running_ != nullptr || !to_read_.empty() || !due.is_never()) {
    turn_ended_ = read_clock();
    if (due <= turn_ended_) close_overdue(turn_ended_);
  }
  end_buried();
}

/// One after the other: a chain that destroys itself is as deep as it is long.
void Loop::end_buried() {
  while (buried_) buried_ = std::move(buried_->buried_before);
}

void Loop::write_again() {
  write_again_ = Moment::never();
  ConnectionQueue due;
  due.take(to_write_later_);
  while (Connection* const connection = due.pop()) {
    guard(*connection, [&] { connection->flush(); });
  }
}

void Loop::write_later(Connection& connection) {
  to_write_later_.push(connection.writes_later);
  write_again_ = std::min(write_again_, read_clock() + connection_rest);
}

void Loop::log_about_peer(const std::string& line) {
  const Moment now = os::now();
  std::string dropped;
  if (log_again_ <= now) {
    if (log_lines_ > log_lines_max) {
      dropped = " (and " + std::to_string(log_lines_ - log_lines_max) + " lines like it before)";
    }
    log_again_ = now + std::chrono::seconds(1);
    log_lines_ = 0;
  }
  if (++log_lines_ <= log_lines_max) {
    service_.log(printable(line, log_line_bytes_max) + dropped);
  }
}

void Loop::watch(Connection& connection, std::uint32_t events) {
  if (connection.watched == events) return;
  connection.watched = events;
  if (!poller_.change(connection.fd(), events | EPOLLET, &connection)) connection.close();
}

}  // namespace tincan::session
