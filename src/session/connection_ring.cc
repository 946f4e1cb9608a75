#include <algorithm>
#include <string>
#include <utility>

#include "os/shortage.h"
#include "session/connection.h"
#include "session/loop.h"
#include "session/service.h"

// The ring of a connection, from the client's wish for one to its end. docs/ring-layout.md.

namespace tincan::session {

using wire::Upgrade;

const char* Connection::on_upgrade(std::uint64_t id, const Upgrade& step,
                                   std::vector<Descriptor>&& descriptors) {
  using Step = Upgrade::Step;
  using Stage = ServerRing::Stage;
  // It may ask for another right behind its word that the last one is over.
  if (ring_ != nullptr && channel_.is_ring_over()) tend_ring();
  if (step.step == Step::ask && ring_ == nullptr) return take_wish(id, step);
  if (step.step == Step::ask && ring_->moved && ring_->next.id == 0) {
    return take_larger_wish(id, step);
  }
  if (ring_ == nullptr || ring_->id != id) return "UPGRADE without an agreement";
  const bool may_offer = ring_->stage == Stage::granted || ring_->stage == Stage::lapsed;
  if (step.step == Step::offer && may_offer) return take_offer(step, std::move(descriptors));
  if (step.step == Step::refuse && may_offer) {
    drop_ring();
    return nullptr;
  }
  const bool may_move = ring_->stage == Stage::accepted || ring_->stage == Stage::returning;
  if (step.step == Step::moved && may_move && !ring_->moved) return take_move();
  return "UPGRADE out of order";
}

void Connection::refuse_ring(std::uint64_t id, std::string_view reason) {
  session_.upgrade(id, {.step = Upgrade::Step::refuse, .capacity_bytes = 0, .reason = reason}, {});
}

namespace {

/// The largest ring that is no more than `wished` and than `most`; at least the smallest.
std::uint64_t capacity_for(std::uint64_t wished, std::uint64_t most) {
  most = std::min({wished, most, std::uint64_t{ring::capacity_bytes_max}});
  std::uint64_t capacity = ring::capacity_bytes_min;
  while (2 * capacity <= most) capacity *= 2;
  return capacity;
}

}  // namespace

const char* Connection::take_wish(std::uint64_t id, const Upgrade& wish) {
  Service& service = loop_.service();
  const auto reason = [&]() -> std::string {
    if (draining_) return "the server is stopping";
    if (service.options.ring_bytes_max < ring::capacity_bytes_min) return "the server takes none";
    const auto taken = service.quota.take_ring(*account, loop_.read_clock());
    return taken ? std::string() : taken.error();
  }();
  if (!reason.empty()) {
    refuse_ring(id, reason);
    return nullptr;
  }
  grant_ring({.id = id,
              .capacity_bytes = capacity_for(wish.capacity_bytes, service.options.ring_bytes_max),
              .kept = wish.kept});
  return nullptr;
}

/// Its place is counted.
void Connection::grant_ring(const ServerRing::Wish& wish) {
  ring_ = std::make_unique<ServerRing>(this);
  ring_->id = wish.id;
  ring_->capacity_bytes = wish.capacity_bytes;
  ring_->kept = wish.kept;
  session_.upgrade(
      wish.id, {.step = Upgrade::Step::grant, .capacity_bytes = wish.capacity_bytes, .reason = {}},
      {});
  loop_.await_offer(*ring_);
}

/// Of a client that has moved: takes the present ring back, as one that lies idle, and grants the
/// larger one in its place.
const char* Connection::take_larger_wish(std::uint64_t id, const Upgrade& wish) {
  Service& service = loop_.service();
  const std::uint64_t capacity = capacity_for(wish.capacity_bytes, service.options.ring_bytes_max);
  const auto reason = [&]() -> std::string {
    if (draining_) return "the server is stopping";
    if (capacity <= ring_->capacity_bytes) return "the server takes none that is larger";
    // We have not even said yet that we accept this one.
    if (ring_->stage == ServerRing::Stage::in_use && !channel_.writes_to_ring()) return "not now";
    const auto taken = take_place_for_larger();
    return taken ? std::string() : taken.error();
  }();
  if (!reason.empty()) {
    refuse_ring(id, reason);
    return nullptr;
  }
  ring_->next = {.id = id, .capacity_bytes = capacity, .kept = wish.kept};
  if (ring_->stage == ServerRing::Stage::in_use) take_ring_back();
  loop_.await_offer(*ring_);
  return nullptr;
}

/// The present ring's. But that is free again, and perhaps another's, when the ring is over but for
/// what the client sends again, and the wish is in there.
std::expected<void, std::string> Connection::take_place_for_larger() {
  Quota& quota = loop_.service().quota;
  if (ring_->counted) return quota.exchange_ring(*account, loop_.read_clock());
  auto taken = quota.take_ring(*account, loop_.read_clock());
  ring_->counted = taken.has_value();
  return taken;
}

void Connection::take_ring_back() {
  ring_->looked_at.leave();
  ring_->stage = ServerRing::Stage::returning;
  channel_.revoke();
  readable_ = true;  // up to where it ends now, though nobody rings for that
}

/// The ring before it is over, for both sides.
void Connection::grant_next() {
  if (draining_) {
    refuse_ring(ring_->next.id, "the server is stopping");
    ring_->next = {};
    drop_ring();
  } else {
    grant_ring(ServerRing::Wish(ring_->next));
  }
  loop_.flush_later(*this);
}

const char* Connection::take_offer(const Upgrade& offer, std::vector<Descriptor>&& descriptors) {
  const auto refuse = [&](std::string_view reason) {
    refuse_ring(ring_->id, reason);
    drop_ring();
    return nullptr;
  };
  if (offer.capacity_bytes != ring_->capacity_bytes) return "a ring of another size than granted";
  if (ring_->stage == ServerRing::Stage::lapsed) return refuse("it was offered too late");
  if (os::is_listening_end(descriptors[2].get()) != true) return refuse("no doorbell");
  auto memory = transport::RingMemory::take(
      {.to_server = std::move(descriptors[0]), .to_client = std::move(descriptors[1])},
      ring_->capacity_bytes);
  if (!memory) return refuse(memory.error());
  const auto no_doorbell = [&](int error) {
    return refuse("the server has no doorbell: " + os::describe_shortage(error));
  };
  auto doorbell = os::Doorbell::create();
  if (!doorbell) return no_doorbell(doorbell.error().code);
  auto hears = doorbell->duplicate_listening_end();
  if (!hears) return no_doorbell(hears.error().system_error());
  channel_.add_ring(std::move(*memory), std::move(*doorbell),
                    os::DoorbellListener(std::move(descriptors[2])));
  if (!loop_.watch_doorbell(*this)) {
    channel_.drop_ring();
    return refuse("the server is out of memory");
  }
  std::vector<Descriptor> sent;
  sent.push_back(std::move(*hears));
  ring_->stage = ServerRing::Stage::accepted;
  session_.upgrade(ring_->id, {.step = Upgrade::Step::accept, .capacity_bytes = 0, .reason = {}},
                   std::move(sent));
  LoopCounts::bump(loop_.counts.rings);
  ring_->mapped = true;
  ring_->looked_at.leave();
  if (!ring_->kept) loop_.look_at_ring_later(*ring_);
  return nullptr;
}

const char* Connection::take_move() {
  channel_.move_input();
  loop_.look_at_no_socket_of(*this);
  if (ring_->stage == ServerRing::Stage::accepted) ring_->stage = ServerRing::Stage::in_use;
  ring_->moved = true;
  return nullptr;
}

void Connection::move_output() {
  session_.outbox().go_on();
  channel_.move_output();
  session_.say_cpu(protocol::Session::cpu_unknown);  // it stands in the ring
  write();
}

void Connection::rung() {
  channel_.rung();
  channel_.wake_up();
  handle(0);
}

bool Connection::fall_asleep() { return channel_.fall_asleep(wants_input(), wants_room()); }

/// After each look at it: it is looked at again before the loop sleeps, or it is over.
void Connection::tend_ring() {
  if (channel_.is_ring_over()) {
    give_ring_back();
    ring_->awake.leave();
    channel_.drop_ring();
  }
  if (channel_.has_ring()) {
    if (channel_.doorbell_fd() >= 0) loop_.keep_awake(*ring_);
  } else if (ring_->stage == ServerRing::Stage::returning) {
    ring_->next.id != 0 ? grant_next() : drop_ring();
  }
}

void Connection::look_at_ring() {
  using Stage = ServerRing::Stage;
  if (ring_->stage == Stage::granted || ring_->stage == Stage::returning) return end_wish();
  const bool used = std::exchange(ring_->used, false);
  if (used || !channel_.writes_to_ring()) return loop_.look_at_ring_later(*ring_);
  take_ring_back();
  handle(0);
}

/// The client has not offered the ring that it wished for: its place goes to others.
void Connection::end_wish() {
  ring_->looked_at.leave();
  if (ring_->stage == ServerRing::Stage::granted) {
    give_ring_back();
    ring_->stage = ServerRing::Stage::lapsed;
    return;
  }
  refuse_ring(ring_->next.id, "the last one was not left in time");
  ring_->next = {};
  if (!ring_->mapped) give_ring_back();
  flush();
}

/// What it costs ends here, although the client may still have to follow.
void Connection::give_ring_back() {
  loop_.unwatch_doorbell(*this);
  if (std::exchange(ring_->mapped, false)) LoopCounts::bump(loop_.counts.rings, -1);
  if (ring_->next.id != 0 && !closed_) return;  // in its place comes the next
  if (std::exchange(ring_->counted, false)) loop_.service().quota.give_ring_back(*account);
}

void Connection::drop_ring() {
  give_ring_back();
  ring_.reset();
}

}  // namespace tincan::session
