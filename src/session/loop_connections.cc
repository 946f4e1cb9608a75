#include <algorithm>
#include <utility>

#include "os/clock.h"
#include "os/shortage.h"
#include "path/access.h"
#include "path/peer.h"
#include "session/loop.h"
#include "session/loop_tags.h"
#include "session/service.h"

// How connections come to a loop, and how they go.

namespace tincan::session {

namespace {

/// Connections accepted in one turn at most. Chosen, not tuned.
constexpr int accepts_per_turn = 64;

}  // namespace

void Loop::accept_some() {
  try {
    accept_crowd();
  } catch (const std::exception&) {
    rest_from_accepting(ENOMEM);
  }
}

void Loop::accept_crowd() {
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
    if (!service_.place_elsewhere(newcomer, *this)) add(std::move(newcomer));
  }
}

/// Out of descriptors or memory: the connection stays in the backlog, and looking at it again at
/// once would only burn the CPU (F14).
void Loop::rest_from_accepting(int error) {
  const bool rests_already = !accept_again_.is_never();
  accept_again_ = read_clock() + service_.accept_rest;
  if (rests_already) return;
  poller_.remove(service_.listener());
  try {
    service_.log("accepting rests for " + std::to_string(service_.options.accept_rest.count()) +
                 " ms: " + os::describe_shortage(error));
  } catch (const std::exception&) {
    // Without memory for the line there is none.
  }
}

void Loop::add(Newcomer newcomer) {
  Connection* adopted = nullptr;
  try {
    adopt(std::move(newcomer), adopted);
  } catch (const std::exception& exception) {
    if (adopted == nullptr) return expect_one_less();
    give_up(*adopted, exception);
  }
}

/// `adopted` is set once the connection is one of ours.
void Loop::adopt(Newcomer newcomer, Connection*& adopted) {
  auto made = std::make_unique<Connection>(std::move(newcomer.socket), std::move(newcomer.peer),
                                           service_.settings_for(newcomer.peer), *this);
  Connection& connection = *made;
  connection.place = connections_.size();
  connections_.push_back(std::move(made));
  adopted = &connection;
  LoopCounts::bump(counts.connections);

  const auto account = service_.quota.take(connection.peer());
  if (!account) {
    LoopCounts::bump(counts.refused);
    return connection.close(wire::Reason::exhausted, account.error());
  }
  connection.account = *account;
  if (!path::admits(service_.options.allow, connection.peer())) {
    const std::string refusal = path::refusal(connection.peer(), service_.rules);
    LoopCounts::bump(counts.refused);
    log_about_peer("refused: " + refusal);
    return connection.close(wire::Reason::refused, refusal);
  }
  admit(connection);
}

void Loop::admit(Connection& connection) {
  connection.watched = Connection::input_events;
  const auto added = poller_.add(connection.fd(), connection.watched | EPOLLET, &connection);
  if (!added) {
    return connection.close(wire::Reason::exhausted, "the server is out of memory");
  }
  connection.registered = true;
  handshakes_.push_back({&connection, read_clock() + service_.handshake_deadline});
  connection.handshake = std::prev(handshakes_.end());
  if (draining_) return connection.drain();
  connection.flush();
}

void Loop::greeted(Connection& connection) {
  handshakes_.erase(*std::exchange(connection.handshake, std::nullopt));
}

void Loop::bury(Connection& connection) {
  if (connection.handshake) greeted(connection);
  look_at_no_socket_of(connection);
  if (connection.registered) poller_.remove(connection.fd());
  if (connection.account != nullptr) service_.quota.give_back(*connection.account);
  LoopCounts::bump(counts.connections, -1);
  expect_one_less();
  connection.to_be_flushed.leave();
  connection.to_be_read.leave();
  connection.writes_later.leave();
  const std::size_t place = connection.place;
  std::unique_ptr<Connection> gone = std::move(connections_[place]);
  if (place + 1 != connections_.size()) {
    connections_[place] = std::move(connections_.back());
    connections_[place]->place = place;
  }
  connections_.pop_back();
  gone->buried_before = std::move(buried_);
  buried_ = std::move(gone);
  if (service_.single_connection() && connections_.empty()) service_.stop();
}

}  // namespace tincan::session
