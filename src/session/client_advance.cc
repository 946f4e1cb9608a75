#include <algorithm>
#include <utility>

#include "base/no_memory.h"
#include "os/clock.h"
#include "session/client_state.h"

// Connecting for submitted calls, which process() does without waiting.

namespace tincan {

/// Connects when a call needs it, one step at a time. Nothing here waits for the server, but
/// looking up who it is or starting a program takes its time, so other threads get the lock
/// meanwhile.
void Client::State::advance_connection(Lock& lock, Moment now) {
  if (link_ && link_->is_over()) retire_link();
  if (greeting_) return advance_greeting(now);
  const bool wanted = std::ranges::any_of(
      submitted_, [](const auto& entry) { return entry.second->link == nullptr; });
  if (link_ || connecting_ || !wanted || now < std::max(connect_again_, useless_until_)) return;

  if (is_spent()) return connection_failed(spent(), now);
  connecting_ = true;
  lock.unlock();
  auto connection = or_no_memory([&] { return path::try_connect(address_, options_.server_uid); });
  lock.lock();
  connecting_ = false;
  tell_who_waits();
  if (!connection) return connection_failed(connection.error(), now);
  if (!*connection) {  // its backlog is full
    connect_again_ = now + connect_pause_longest;
    return;
  }
  auto link = make_link(std::move(**connection));
  if (!link) return connection_failed(link.error(), now);
  greeting_ = std::move(*link);
  greeting_deadline_ = now + options_.connect_deadline;
  watch(*greeting_);
  if (greeting_->process()) ring();
  advance_greeting(now);
}

void Client::State::advance_greeting(Moment now) {
  if (!greeting_->is_dead() && greeting_->is_ready()) {
    use(std::move(greeting_));
    tell_who_waits();
    connect_pause_ = Nanoseconds(0);
    connect_again_ = Moment();
    connect_give_up_ = Moment::never();
    return;
  }
  if (!greeting_->is_dead() && now < greeting_deadline_) return;
  const auto failed = or_no_memory([&]() -> Result<void> {
    const Failure why = greeting_->death().value_or(Failure(Cause::deadline));
    return std::unexpected(not_ready(*greeting_, why, options_.connect_deadline));
  });
  unwatch(*greeting_);
  greeting_.reset();
  connection_failed(failed.error(), now);
}

/// Tries again later, or tells every call that waits for a connection.
void Client::State::connection_failed(const Failure& why, Moment now) {
  if (connect_give_up_.is_never()) connect_give_up_ = now + options_.reconnect_deadline;
  if (may_come_back(why) && now < connect_give_up_) {
    connect_pause_ = std::clamp(2 * connect_pause_, connect_pause_first, connect_pause_longest);
    connect_again_ = now + connect_pause_;
    return;
  }
  connect_give_up_ = Moment::never();
  connect_pause_ = Nanoseconds(0);
  for (auto& [number, call] : submitted_) {
    if (call->link != nullptr || call->result) continue;
    call->result = std::unexpected(end_of_call(why, why.outcome()));
    note_end(*call);
  }
}

}  // namespace tincan
