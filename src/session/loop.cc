#include "session/loop.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "base/printable.h"
#include "os/clock.h"
#include "os/poller.h"
#include "path/access.h"
#include "path/peer.h"
#include "session/service.h"

namespace tincan::session {

namespace {

/// Events taken from epoll at once, and connections accepted: one turn is bounded by them, so that
/// a loop which is embedded in another gives way. Chosen, not tuned.
constexpr std::size_t events_per_turn = 256;
constexpr int accepts_per_turn = 64;
/// Requests kept for use again. Chosen: one connection's calls in flight.
constexpr std::size_t free_requests_max = 1024;
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

// Tags of what is no connection; only their addresses matter.
char listener_tag, stop_tag, mailbox_tag;

}  // namespace

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
      events_(events_per_turn) {}

Loop::~Loop() {
  // Requests that are let go below come back here.
  Loop* const outer = std::exchange(current_loop, this);
  mailbox_->close();
  empty_mailbox();
  close_all();
  buried_.clear();
  while (free_requests_ != nullptr) {
    delete std::exchange(free_requests_, free_requests_->next_in_mailbox);
  }
  current_loop = outer;
}

void Loop::close_all() {
  while (!connections_.empty()) connections_.back()->close();
}

std::vector<std::byte> Loop::borrow_buffer() {
  if (spare_buffers_.empty()) return {};
  std::vector<std::byte> buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

void Loop::return_buffer(std::vector<std::byte> buffer) {
  if (spare_buffers_.size() >= spare_buffers_max) return;
  if (buffer.capacity() > spare_buffer_bytes_max) return;
  spare_buffers_.push_back(std::move(buffer));
}

/// The handler that ran last has ended when the clock is looked at again.
Moment Loop::read_clock() {
  clock_ = os::now();
  if (running_ != nullptr) note_slow_handler();
  return clock_;
}

Moment Loop::deadline() const {
  if (!to_read_.empty()) return Moment();
  Moment earliest = std::min({accept_again_, drain_deadline_, write_again_});
  if (!handshakes_.empty()) earliest = std::min(earliest, handshakes_.front().deadline);
  return earliest;
}

bool Loop::turn(Moment until) {
  const auto events = poller_.wait(events_, std::min(until, deadline()));
  Loop* const outer = std::exchange(current_loop, this);
  ++turns_;
  const std::vector<Connection*> left_over = std::exchange(to_read_, {});
  for (Connection* const connection : left_over) connection->to_be_read = false;
  if (events) {
    for (const epoll_event& event : *events) dispatch(event);
  }
  for (Connection* const connection : left_over) {
    if (!connection->is_closed() && !connection->to_be_read) connection->handle(0);
  }
  end_turn(outer == this);
  current_loop = outer;
  const bool finished = draining_ && connections_.empty();
  return !finished;
}

void Loop::dispatch(const epoll_event& event) {
  if (event.data.ptr == &listener_tag) return accept_some();
  if (event.data.ptr == &mailbox_tag) return empty_mailbox();
  if (event.data.ptr == &stop_tag) return begin_drain();
  auto& connection = *static_cast<Connection*>(event.data.ptr);
  if (connection.is_closed()) return;
  connection.handle(event.events);
}

void Loop::note_slow_handler() {
  const Nanoseconds held = clock_.since(handler_start_);
  const MethodEntry* const method = std::exchange(running_, nullptr);
  if (held < service_.options.slow_handler) return;
  service_.log("the handler of " + method->name + " held its loop for " +
               std::to_string(held.count() / 1'000'000) +
               " ms; move slow work to a thread and answer from there");
}

void Loop::end_turn(bool nested) {
  for (std::size_t i = 0; i < to_flush_.size(); ++i) {
    Connection& connection = *to_flush_[i];
    connection.to_be_flushed = false;
    if (!connection.is_closed()) connection.flush();
  }
  to_flush_.clear();
  if (running_ != nullptr || deadline() != Moment::never()) close_overdue(read_clock());
  // A handler that makes this loop turn (testing::pair) is still among its outer turn's events.
  if (!nested) buried_.clear();
}

void Loop::close_overdue(Moment now) {
  while (!handshakes_.empty() && handshakes_.front().deadline <= now) {
    Connection& connection = *handshakes_.front().connection;
    connection.close(wire::Reason::refused, "no HELLO in time");
  }
  if (accept_again_ <= now) {
    accept_again_ = Moment::never();
    if (listening_) {
      const auto added = poller_.add(service_.listener(), EPOLLIN | EPOLLEXCLUSIVE, &listener_tag);
      if (!added) rest_from_accepting(added.error().code);
    }
  }
  if (write_again_ <= now) write_again();
  if (drain_deadline_ <= now) {
    close_all();
    drain_deadline_ = Moment::never();
  }
}

void Loop::write_again() {
  write_again_ = Moment::never();
  for (Connection* const connection : std::exchange(to_write_later_, {})) {
    connection->writes_later = false;
    connection->flush();
  }
}

void Loop::write_later(Connection& connection) {
  connection.writes_later = true;
  to_write_later_.push_back(&connection);
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

void Loop::accept_some() {
  // One, and more only when they come turn after turn: a lone client is not followed by another,
  // and asking for it would be a system call in vain.
  const bool crowd = std::exchange(last_accepting_turn_, turns_) + 1 == turns_;
  accepts_wanted_ = crowd ? std::min(2 * accepts_wanted_, accepts_per_turn) : 1;
  for (int i = 0; i < accepts_wanted_ && listening_; ++i) {
    auto socket = service_.accept();
    if (!socket) {
      const int error = socket.error().code;
      if (error == ECONNABORTED) continue;
      if (error != EAGAIN) rest_from_accepting(error);
      return;
    }
    LoopCounts::bump(counts.accepted);
    Newcomer newcomer{std::move(*socket), {}};
    newcomer.peer = path::peer_of(newcomer.socket.get(), false);
    Loop* loop = this;
    const auto box = service_.place_newcomer(loop);
    if (loop == this) {
      add(std::move(newcomer));
    } else if (!box->post(std::move(newcomer))) {
      continue;  // that loop has just ended in a drain: so will this one
    }
  }
}

/// Out of descriptors or memory: the connection stays in the backlog, and looking at it again at
/// once would only burn the CPU (F14).
void Loop::rest_from_accepting(int error) {
  if (accept_again_.is_never()) {
    service_.log("accepting rests for " + std::to_string(limits::accept_rest.count()) +
                 " ms: " + strerrordesc_np(error));
    poller_.remove(service_.listener());
  }
  accept_again_ = read_clock() + limits::accept_rest;
}

void Loop::add(Newcomer newcomer) {
  auto made = std::make_unique<Connection>(std::move(newcomer.socket), std::move(newcomer.peer),
                                           service_.session_settings(), *this);
  Connection& connection = *made;
  connection.place = connections_.size();
  connections_.push_back(std::move(made));
  LoopCounts::bump(counts.connections);

  if (const auto full = service_.quota.take(connection.peer())) {
    LoopCounts::bump(counts.refused);
    return connection.close(wire::Reason::exhausted, *full);
  }
  connection.counted = true;
  if (!path::admits(service_.options.allow, connection.peer())) {
    const std::string refusal = path::refusal(connection.peer(), service_.rules);
    LoopCounts::bump(counts.refused);
    log_about_peer("refused: " + refusal);
    return connection.close(wire::Reason::refused, refusal);
  }
  connection.watched = Connection::input_events;
  const auto added = poller_.add(connection.fd(), connection.watched | EPOLLET, &connection);
  if (!added) {
    return connection.close(wire::Reason::exhausted, "the server is out of memory");
  }
  connection.registered = true;
  handshakes_.push_back({&connection, read_clock() + service_.options.handshake_deadline});
  connection.handshake = std::prev(handshakes_.end());
  if (draining_) return connection.close();
  connection.flush();
}

void Loop::greeted(Connection& connection) {
  handshakes_.erase(*std::exchange(connection.handshake, std::nullopt));
}

void Loop::bury(Connection& connection) {
  if (connection.handshake) greeted(connection);
  if (connection.registered) poller_.remove(connection.fd());
  if (connection.counted) service_.quota.give_back(connection.peer());
  LoopCounts::bump(counts.connections, -1);
  load_.fetch_sub(1, std::memory_order_relaxed);
  if (connection.to_be_flushed) std::erase(to_flush_, &connection);
  if (connection.to_be_read) std::erase(to_read_, &connection);
  if (connection.writes_later) std::erase(to_write_later_, &connection);
  const std::size_t place = connection.place;
  buried_.push_back(std::move(connections_[place]));
  if (place + 1 != connections_.size()) {
    connections_[place] = std::move(connections_.back());
    connections_[place]->place = place;
  }
  connections_.pop_back();
  if (service_.single_connection() && connections_.empty()) service_.stop();
}

void Loop::watch(Connection& connection, std::uint32_t events) {
  if (connection.watched == events) return;
  connection.watched = events;
  if (!poller_.change(connection.fd(), events | EPOLLET, &connection)) connection.close();
}

void Loop::flush_later(Connection& connection) {
  if (std::exchange(connection.to_be_flushed, true)) return;
  to_flush_.push_back(&connection);
}

void Loop::read_later(Connection& connection) {
  if (std::exchange(connection.to_be_read, true)) return;
  to_read_.push_back(&connection);
}

void Loop::begin_drain() {
  if (draining_) return;
  draining_ = true;
  poller_.remove(service_.stop_fd());
  service_.release_path();
  drop_listener();
  drain_deadline_ = read_clock() + service_.options.drain_deadline;
  // Backwards, for a connection that closes gives its place to the last one.
  for (std::size_t i = connections_.size(); i > 0; --i) {
    if (i <= connections_.size()) connections_[i - 1]->drain();
  }
}

void Loop::drop_listener() {
  if (!listening_) return;
  listening_ = false;
  if (accept_again_.is_never()) poller_.remove(service_.listener());
  accept_again_ = Moment::never();
  service_.stopped_listening();
}

// Requests.

const MethodEntry* Loop::find(std::string_view method) {
  if (last_found_ != nullptr && last_found_->name == method) return last_found_;
  const MethodEntry* const entry = service_.find(method);
  // The name of a handler for any method is no method's name.
  if (entry != nullptr && entry->name == method) last_found_ = entry;
  return entry;
}

RequestState* Loop::new_request() {
  RequestState* request = free_requests_;
  if (request != nullptr) {
    free_requests_ = request->next_in_mailbox;
    --free_requests_count_;
  } else {
    request = new RequestState(mailbox_);
  }
  request->owners.store(2, std::memory_order_relaxed);
  request->abandoned.store(false, std::memory_order_relaxed);
  request->answered = request->delivered = request->dropped = false;
  return request;
}

void Loop::run_handler(RequestState& request) {
  // With a deadline to be judged, the clock was read a moment ago.
  handler_start_ = request.deadline.is_never() ? read_clock() : clock_;
  running_ = request.entry;
  request.running = true;
  std::string thrown;
  wire::Reason reason = wire::Reason::dropped;
  try {
    request.entry->handler(Request(&request));
  } catch (const std::exception& exception) {
    reason = wire::Reason::threw;
    thrown = exception.what();
  } catch (...) {
    reason = wire::Reason::threw;
    thrown = "something that is no std::exception";
  }
  request.running = false;
  if (request.dropped && request.connection != nullptr && !request.delivered) {
    const std::string text = reason == wire::Reason::threw
                                 ? "the handler threw: " + thrown
                                 : "the handler dropped the request unanswered";
    request.connection->fail(request, {.reason = reason, .text = text});
  }
  if (request.dropped || request.one_way) request.delivered = true;
  if (request.delivered) let_go(request);
}

/// Called once for the handle and once for the loop, which lets go when it has the answer.
void Loop::let_go(RequestState& request) {
  if (request.owners.fetch_sub(1, std::memory_order_acq_rel) == 1) take_back(request);
}

void Loop::take_back(RequestState& request) {
  if (request.connection != nullptr) {
    request.connection->forget(request);
    request.connection = nullptr;  // its peer is kept, for the next request is often of the same
  } else {
    request.peer = Peer();
  }
  request.payload = Payload();
  request.descriptors.clear();
  if (free_requests_count_ >= free_requests_max) {
    delete &request;
    return;
  }
  request.next_in_mailbox = free_requests_;
  free_requests_ = &request;
  ++free_requests_count_;
}

void Loop::empty_mailbox() {
  Mailbox::Contents contents = mailbox_->empty();
  while (RequestState* const request = contents.requests) {
    contents.requests = request->next_in_mailbox;
    if (request->delivered) {  // the handle was the last to let go
      take_back(*request);
      continue;
    }
    request->delivered = true;
    if (request->connection != nullptr) {
      request->connection->answer(*request, request->answer);
    } else if (!request->one_way) {
      LoopCounts::bump(counts.undeliverable);
    }
    request->answer = RequestState::Answer();
    let_go(*request);
  }
  for (Newcomer& newcomer : contents.newcomers) add(std::move(newcomer));
}

}  // namespace tincan::session
