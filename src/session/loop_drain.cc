#include "session/loop.h"
#include "session/loop_tags.h"
#include "session/service.h"

// What ends because time passes, and how a loop stops.

namespace tincan::session {

void Loop::begin_drain() {
  if (draining_) return;
  draining_ = true;
  service_.set_draining();
  poller_.remove(service_.stop_fd());
  try {
    service_.release_path();
  } catch (const std::exception&) {
    // What stays at the path is a dead socket soon, which the next start replaces.
  }
  drop_listener();
  drain_deadline_ = read_clock() + service_.drain_deadline;
  // Backwards, for a connection that closes gives its place to the last one.
  for (std::size_t i = connections_.size(); i > 0; --i) {
    if (i > connections_.size()) continue;
    Connection& connection = *connections_[i - 1];
    guard(connection, [&] { connection.drain(); });
  }
}

void Loop::drop_listener() {
  if (!listening_) return;
  listening_ = false;
  if (accept_again_.is_never()) poller_.remove(service_.listener());
  accept_again_ = Moment::never();
  service_.stopped_listening();
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
  look_at_rings(now);
  if (drain_deadline_ <= now) {
    close_all();
    drain_deadline_ = Moment::never();
  }
}

void Loop::close_all() {
  while (!connections_.empty()) connections_.back()->close();
}

/// Who is sent here from now on learns at once that nobody will come, and who was sent before is
/// told what the others were.
bool Loop::drain_has_ended() {
  if (!draining_ || !connections_.empty()) return false;
  mailbox_->close();
  empty_mailbox();
  end_turn();
  return connections_.empty();
}

}  // namespace tincan::session
