#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/no_memory.h"
#include "os/clock.h"
#include "os/poller.h"
#include "session/client_state.h"
#include "session/duplicates.h"

namespace tincan {

using session::LinkCall;

namespace {
/// The client whose completions run on this thread: what they submit goes out after them, together.
thread_local const void* completing_client = nullptr;
}  // namespace

Result<std::uint64_t> Client::State::submit(std::string_view method,
                                            std::span<const std::byte> payload,
                                            Completion completion, const CallOptions& options) {
  if (!may_call(method)) return std::unexpected(why_not(method));
  auto call = std::make_unique<Submitted>();
  call->bytes.assign(payload.begin(), payload.end());
  call->payload = call->bytes;
  return submit(std::move(call), method, std::move(completion), options);
}

/// `call` has its payload.
Result<std::uint64_t> Client::State::submit(std::unique_ptr<Submitted> call,
                                            std::string_view method, Completion completion,
                                            const CallOptions& options) {
  if (!completion) return std::unexpected(Failure(Cause::usage, "a call needs a completion"));
  call->state = this;
  call->ended = on_submitted_end;
  call->method_name = method;
  call->method = call->method_name;
  call->idempotent = options.idempotent;
  call->deadline = call->waits_until = deadline_of(options);
  call->completion = std::move(completion);
  if (!options.descriptors.empty()) {
    auto copies = session::duplicates(options.descriptors);
    if (!copies) return std::unexpected(std::move(copies.error()));
    call->kept = std::move(*copies);
  }
  const Lock lock(mutex_);
  const bool completing = completing_client == this;
  Submitted& submitted = *call;
  const std::uint64_t number = submitted.number = next_number_;
  ended_.reserve(std::bit_ceil(ended_.size() + submitted_.size() + 1));
  const auto place = submitted_.emplace(number, std::move(call)).first;
  ++next_number_;
  if (link_ && !link_->is_over()) {
    if (auto begun = begin(submitted, *link_); !begun) {
      call = std::move(place->second);  // to be destroyed without the lock
      submitted_.erase(place);
      return std::unexpected(std::move(begun.error()));
    }
    if (!completing) watch_links();
  }
  // fd() becomes readable, so that a loop which polls already looks at the new deadline too.
  if (!completing) ring();
  return number;
}

/// Puts `call` on `link`. Errors are those that no retry mends.
Result<void> Client::State::begin(Submitted& call, Link& link) {
  call.descriptors.clear();  // of an attempt that was not sent
  if (!call.kept.empty()) {
    auto copies = or_no_memory([&] { return session::duplicates(call.kept); });
    if (!copies) return std::unexpected(std::move(copies.error()));
    call.descriptors = std::move(*copies);
  }
  if (options_.transport == Transport::automatic) link.count_call(os::now());
  // Calls that completions make go out together when all have run: process() sees to it.
  const bool write_now = completing_client != this;
  if (auto begun = link.start(call, write_now); !begun) {
    call.descriptors.clear();
    if (call.result) return {};                      // it ended with the link, for want of memory
    if (may_retry(begun.error(), false)) return {};  // process() finds another link
    return begun;
  }
  // It may have ended already, on a link that broke.
  if (!call.result) {
    call.link = &link;
    ++link.users;
  }
  return {};
}

void Client::State::on_submitted_end(LinkCall& ended) {
  auto& call = static_cast<Submitted&>(ended);
  call.state->note_end(call);
  if (!call.state->processing_) call.state->ring();
}

void Client::State::note_end(Submitted& call) {
  if (!std::exchange(call.ended_is_known, true)) ended_.push_back(call.number);
}

/// Makes fd() readable, until the next process().
void Client::State::ring() {
  if (bell_ && !std::exchange(rung_, true)) bell_->ring();
}

int Client::State::fd() {
  if (is_forked()) return -1;
  const Lock lock(mutex_);
  if (!poller_) {
    auto poller = os::Poller::create();
    auto bell = os::Bell::create();
    if (!poller || !bell) return -1;
    if (!poller->add(bell->fd(), EPOLLIN, nullptr)) return -1;
    poller_ = std::move(*poller);
    bell_ = std::move(*bell);
    ring();
    visit_links([&](Link& link) { watch(link); });
  }
  return poller_->fd();
}

/// Room to write is asked for only while there is something to write: fd() is level-triggered.
void Client::State::watch_links() {
  if (!poller_) return;
  visit_links([&](Link& link) {
    if (link.is_dead()) return;
    const std::uint32_t events = link.wants_room_at_socket() ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (events == link.watched) return;
    if (poller_->change(link.fd(), events, &link)) link.watched = events;
  });
}

std::optional<std::chrono::steady_clock::time_point> Client::State::deadline() {
  if (is_forked()) return std::nullopt;
  const Lock lock(mutex_);
  Moment earliest = greeting_ ? greeting_deadline_ : Moment::never();
  if (link_ && link_->rests()) earliest = std::min(earliest, link_->write_again());
  bool waiting = false;
  for (const auto& [number, call] : submitted_) {
    earliest = std::min(earliest, call->waits_until);
    waiting = waiting || call->link == nullptr;
  }
  if (waiting && !greeting_ && !connecting_) {
    earliest = std::min(earliest, std::max(connect_again_, useless_until_));
  }
  return to_time_point(earliest);
}

/// What was rung, or has come over the sockets beside rings. Taking it from the poller makes fd()
/// silent again, for the doorbells are watched edge-triggered.
void Client::State::notice_rings() {
  bool any = false;
  visit_links([&](Link& link) { any = any || link.has_ring(); });
  if (!any || !poller_) return;
  std::array<epoll_event, 16> room;
  const auto events = poller_->wait(room, Moment());
  if (!events) return;
  for (const epoll_event& event : *events) {
    const auto tag = reinterpret_cast<std::uintptr_t>(event.data.ptr);
    auto* const link = reinterpret_cast<Link*>(tag & ~Link::doorbell_bit);
    if (link != nullptr) link->notice((tag & Link::doorbell_bit) != 0);
  }
}

/// fd() becomes readable when there is something in a ring; if there is already, at once.
void Client::State::let_rings_sleep() {
  visit_links([&](Link& link) {
    if (!link.let_ring_sleep()) ring();
  });
}

void Client::State::process() {
  if (is_forked()) return;
  Lock lock(mutex_);
  if (std::exchange(rung_, false)) bell_->quiet();
  notice_rings();
  processing_ = true;
  visit_links([&](Link& link) {
    if (link.process()) ring();
  });
  take_back_unsent();
  const Moment now = os::now();
  advance_connection(lock, now);
  expire_submitted(now);
  begin_submitted();
  auto finished = conclude_ended();
  processing_ = false;
  watch_links();
  let_rings_sleep();
  if (finished.empty()) return;
  const std::exception_ptr thrown = run_completions(finished, lock);
  if (lock.owns_lock()) {  // the client is still there
    visit_links([](Link& link) { link.write(); });
    watch_links();
    let_rings_sleep();
  }
  if (thrown) std::rethrow_exception(thrown);
}

Client::State::Completing::Completing(State& client)
    : state(&client),
      next(std::exchange(client.completing_, this)),
      outer(std::exchange(completing_client, &client)) {}

/// With the lock held, if the client is still there.
Client::State::Completing::~Completing() {
  completing_client = outer;
  if (state == nullptr) return;
  Completing** place = &state->completing_;
  while (*place != this) place = &(*place)->next;
  *place = next;
}

/// Lets the lock go meanwhile, and for good when a completion destroys the client. Returns the
/// first exception that one threw; the others run all the same.
std::exception_ptr Client::State::run_completions(Finished& finished, Lock& lock) {
  Completing completing(*this);
  lock.unlock();
  for (auto& [place, call] : finished) {
    if (!call->result.is_answer()) {
      call->result = std::unexpected(final(std::move(call->result.failure()), *call));
    }
  }
  std::exception_ptr thrown;
  for (auto& [place, call] : finished) {
    try {
      complete(*call);
    } catch (...) {
      if (!thrown) thrown = std::current_exception();
    }
    call.reset();  // what the completion owns may use the client as it goes
  }
  if (completing.state != nullptr) lock.lock();
  return thrown;
}

void Client::State::complete(Submitted& call) {
  if (call.result.is_answer()) {
    call.completion(reply_of(call));
  } else {
    call.completion(std::unexpected(std::move(call.result.failure())));
  }
}

/// Off a link that can write nothing more, so that another one takes them.
void Client::State::take_back_unsent() {
  bool cannot_write = false;
  visit_links([&](const Link& link) { cannot_write = cannot_write || link.cannot_write(); });
  if (!cannot_write) return;
  for (auto& [number, call] : submitted_) {
    if (call->link != nullptr && !call->told && call->link->take_back(*call)) note_end(*call);
  }
}

void Client::State::begin_submitted() {
  if (!link_) return;
  for (auto& [number, call] : submitted_) {
    if (call->link != nullptr || call->result) continue;
    if (link_->is_over()) return;
    if (auto begun = begin(*call, *link_); !begun) {
      call->result = std::unexpected(std::move(begun.error()));
      note_end(*call);
    }
  }
}

void Client::State::expire_submitted(Moment now) {
  for (auto& [number, call] : submitted_) {
    if (!call->result && call->waits_until <= now) give_up(*call, Cause::deadline, now);
  }
}

/// First tells the server, and allows it a grace for its verdict; then ends without one.
void Client::State::give_up(Submitted& call, Cause cause, Moment now) {
  const auto end = [&](Outcome outcome) {
    call.result = std::unexpected(Failure(outcome, call.told ? call.given_up_for : cause));
    note_end(call);
  };
  if (call.link == nullptr) return end(Outcome::not_sent);
  if (!call.told) {
    call.told = true;
    call.given_up_for = cause;
    call.waits_until = now + options_.verdict_grace;
    if (call.link->give_up(call)) end(Outcome::not_sent);
    return;
  }
  call.link->abandon(call);
  end(Outcome::unknown);
}

void Client::State::cancel(std::uint64_t number) {
  if (is_forked()) return;
  const Lock lock(mutex_);
  const auto found = submitted_.find(number);
  if (found == submitted_.end() || found->second->result || found->second->told) return;
  give_up(*found->second, Cause::cancelled, os::now());
  ring();
}

/// Takes the calls that have ended off their links: those that may be sent again stay, the others
/// are returned.
Client::State::Finished Client::State::conclude_ended() {
  Finished finished;
  for (const std::uint64_t number : ended_) {
    const auto found = submitted_.find(number);
    if (found == submitted_.end()) continue;
    Submitted& call = *found->second;
    // Those that were not on a link have waited for one for as long as they may.
    const bool was_begun = call.link != nullptr;
    const bool again = !call.result.is_answer() && !call.told && was_begun &&
                       call.link->is_over() && may_retry(call.result.failure(), call.idempotent) &&
                       os::now() < call.deadline;
    if (was_begun) release(*std::exchange(call.link, nullptr));
    if (again) {
      call.may_have_run = call.may_have_run || call.result.failure().outcome() == Outcome::unknown;
      call.result.reset();
      call.ended_is_known = false;
      ring();  // another process() connects
      continue;
    }
    auto node = submitted_.extract(found);
    node.key() = finished.size();
    finished.insert(finished.end(), std::move(node));
  }
  ended_.clear();
  return finished;
}

}  // namespace tincan
