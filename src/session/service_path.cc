#include <exception>
#include <string>
#include <utility>

#include "base/fail.h"
#include "session/service.h"

// The path of a server: how it passes from one to the next, and how it is given free.
// docs/decisions/0018-two-calls-to-take-over.md.

namespace tincan::session {

namespace {

std::string name_of(const Peer& peer) {
  return peer.pid() ? "pid " + std::to_string(*peer.pid()) : "another process";
}

}  // namespace

void Service::stopped_listening() {
  const std::lock_guard lock(mutex_);
  // Those who wait in the backlog are told at once that nobody will come; a successor that has the
  // listener too goes on with them.
  if (--listening_loops_ == 0) claim_->abandon();
}

void Service::release_path() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(path_released_, true) || !claim_) return;
  forget_successor();  // who has the path from here on
  claim_->remove();
}

Result<std::vector<Descriptor>> Service::hand_over(const Peer& successor) {
  const std::lock_guard lock(mutex_);
  if (!claim_ || path_released_) return fail(Cause::draining, "the server is stopping");
  // Two would undo each other's modes, and one of them would have to be told that it is none.
  if (successor_) {
    return fail(Cause::held,
                name_of(*successor_) + " is taking over already; wait until it serves, or end it");
  }
  auto handed = claim_->hand_over();
  if (!handed) return handed;
  successor_ = successor;
  has_successor_.store(true, std::memory_order_relaxed);
  return handed;
}

void Service::keep_what_was_handed() {
  const std::lock_guard lock(mutex_);
  if (!successor_) return;  // it is theirs, for we have begun to drain
  forget_successor();
  claim_->keep();
}

bool Service::let_go(const Peer& peer) {
  const std::lock_guard lock(mutex_);
  if (!successor_ || successor_->record() != peer.record()) return false;
  forget_successor();
  path_released_ = true;
  return true;
}

void Service::forget_successor() {
  successor_.reset();
  has_successor_.store(false, std::memory_order_relaxed);
}

void Service::connection_ended(const Peer& peer) noexcept {
  // Set on the thread of the successor's own connection.
  if (!has_successor_.load(std::memory_order_relaxed)) return;
  try {
    std::unique_lock lock(mutex_);
    if (!successor_ || successor_->record() != peer.record()) return;
    forget_successor();
    const auto taken = claim_->take_back();
    lock.unlock();  // who logs may ask for our counts
    log(name_of(peer) + " was taking " + address.text() +
        " over and has gone before it served; this server goes on" +
        (taken ? "" : ", but " + taken.error().explain()));
  } catch (const std::exception&) {
    // Without memory something was not put back, or not said. The path is ours all the same.
  }
}

void Service::succeed(Client predecessor) {
  predecessor_ = std::move(predecessor);
  begun_.store(false, std::memory_order_release);
}

Result<void> Service::begin() {
  if (has_begun()) return {};
  const std::lock_guard lock(mutex_);
  if (begun_.exchange(true)) return {};
  // Its end, by which an old server that was not told takes everything back.
  std::optional<Client> predecessor = std::exchange(predecessor_, std::nullopt);
  if (stop_asked_.load(std::memory_order_relaxed)) return {};
  // One way, for a busy server may take its time to read it, and until then both serve. No
  // deadline, for it would travel along, and a late call is dropped. There is nothing to wait for:
  // what was sent on this connection before has been answered, so there is room.
  const auto told =
      predecessor->send("tincan.taken_over", "", {.deadline = std::chrono::nanoseconds::max()});
  // Else that server has ended, and nobody has written the lock since we did; or it has closed this
  // connection only, and has done so after it took the path back.
  if (!told && !claim_->is_named_in_lock()) {
    stop();
    return fail(Cause::held, address.text() + " is held by " + claim_->holder() +
                                 ", which took it back when the connection to it broke; start "
                                 "again");
  }
  claim_->keep();
  return {};
}

}  // namespace tincan::session
