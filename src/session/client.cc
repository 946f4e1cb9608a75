#include <algorithm>
#include <utility>

#include "base/no_memory.h"
#include "os/clock.h"
#include "path/access.h"
#include "ring/layout.h"
#include "session/client_state.h"
#include "session/duplicates.h"
#include "session/views.h"

namespace tincan {

using session::LinkCall;

namespace {

/// Keeps in reach what a child cannot free.
[[maybe_unused]] void* volatile parents_memory = nullptr;

}  // namespace

Client::State::State(Address address, const ClientOptions& options, bool once)
    : address_(std::move(address)),
      options_(options),
      view_home_(make_view_home()),
      generation_(os::fork_generation()),
      connects_once_(once || address_.kind() == Address::Kind::descriptor ||
                     address_.kind() == Address::Kind::systemd),
      pool_(PayloadPool::create()) {}

Client::State::~State() {
  if (view_home_) {
    const std::lock_guard lock(view_home_->mutex);
    view_home_->owner = nullptr;
  }
  for (Completing* one = completing_; one != nullptr; one = one->next) one->state = nullptr;
  for (auto& [number, call] : submitted_) {
    call->ended = [](LinkCall&) {};
    if (call->link != nullptr) call->link->abandon(*call);
  }
  link_.reset();
  retired_.clear();
  greeting_.reset();
  pool_->drop();
}

Moment Client::State::deadline_of(const CallOptions& options) const {
  return os::now() + options.deadline.value_or(options_.deadline);
}

bool Client::State::may_call(std::string_view method) const {
  return !is_forked() && !method.empty() && method.size() <= limits::method_bytes_max;
}

Failure Client::State::why_not(std::string_view method) const {
  if (is_forked()) {
    return Failure(Cause::forked,
                   "this client belongs to the parent process; connect a new one after fork()");
  }
  return Failure(Cause::usage, "a method's name has 1 to " +
                                   std::to_string(limits::method_bytes_max) + " bytes, this one " +
                                   std::to_string(method.size()));
}

bool Client::State::may_retry(const Failure& failure, bool idempotent) {
  const bool server_went = failure.cause() == Cause::closed || failure.cause() == Cause::draining;
  const bool safe = failure.outcome() == Outcome::not_sent ||
                    (failure.outcome() == Outcome::unknown && idempotent);
  return server_went && safe;
}

Failure Client::State::final(Failure failure, const LinkCall& call) const {
  // The last attempt was not sent, but an earlier one may have been run.
  if (call.may_have_run && failure.outcome() == Outcome::not_sent) {
    failure.with_outcome(Outcome::unknown);
  }
  try {
    if (auto words = words_for(failure, call.method)) {
      Failure explained(failure.outcome(), failure.cause(), std::move(*words),
                        failure.system_error());
      explained.with_code(failure.code());
      return explained;
    }
  } catch (const std::bad_alloc&) {
    // Without memory for more words it has those that it had.
  }
  return failure;
}

std::optional<std::string> Client::State::words_for(const Failure& failure,
                                                    std::string_view method) const {
  switch (failure.cause()) {
    case Cause::deadline:
      if (!failure.detail().empty()) return std::nullopt;
      return address_.text() + " did not answer " + std::string(method) + " in time";
    case Cause::closed:
    case Cause::breach:
    case Cause::draining:
      return address_.text() + ": " + failure.detail();
    case Cause::refused:
      return path::with_own_name(failure.detail());
    default:
      return std::nullopt;
  }
}

/// Sets the result of `call`. False: another attempt would be no better.
inline bool Client::State::attempt(LinkCall& call, std::span<const Descriptor> descriptors,
                                   Lock& lock, Moment now) {
  Link* link = link_.get();
  if (link == nullptr || link->is_over()) [[unlikely]] {
    auto usable = usable_link(lock, call.deadline);
    if (!usable) return call.result = std::unexpected(std::move(usable.error())), false;
    link = *usable;
    now = os::now();
  }
  if (!descriptors.empty()) [[unlikely]] {
    auto copies = or_no_memory([&] { return session::duplicates(descriptors); });
    if (!copies) return call.result = std::unexpected(std::move(copies.error())), false;
    call.descriptors = std::move(*copies);
  }
  ++link->users;
  link->run(call, lock, now, call.deadline);
  // It may have begun a submitted call that waited for a slot, which process() has to go on with.
  if (poller_ && link->wants_to_write()) watch_links();
  // One that only says it is draining, and goes on, would have us call for ever.
  const bool goes_elsewhere = link->is_over();
  release(*link);
  return goes_elsewhere;
}

Result<Reply> Client::State::call(std::string_view method, std::span<const std::byte> payload,
                                  const CallOptions& options, bool one_way) {
  if (!may_call(method)) return std::unexpected(why_not(method));
  LinkCall call;
  call.method = method;
  call.payload = payload;
  call.one_way = one_way;
  return reply_to(call, options);
}

Result<bool> Client::State::send_batch(std::string_view method, std::span<std::byte> batch,
                                       std::size_t largest_bytes, const CallOptions& options) {
  if (!may_call(method)) return std::unexpected(why_not(method));
  LinkCall call;
  call.method = method;
  call.payload = batch;
  call.message_bytes_max = largest_bytes;
  call.batch_begin = batch.data();
  call.one_way = call.is_batch = true;
  if (!make(call, options)) return std::unexpected(std::move(call.result.failure()));
  return call.goes_into_ring;
}

/// Makes `call` and waits for its end. False: it has failed.
inline bool Client::State::make(LinkCall& call, const CallOptions& options) {
  Moment now = os::now();
  call.idempotent = options.idempotent;
  call.deadline = now + options.deadline.value_or(options_.deadline);
  Lock lock(mutex_, std::try_to_lock);
  if (!lock) {
    lock.lock();
    now = os::now();
  }
  const bool may_go_on = attempt(call, options.descriptors, lock, now);
  return call.result.is_answer() || call_again(call, options, lock, may_go_on);
}

Result<Reply> Client::State::reply_to(LinkCall& call, const CallOptions& options) {
  if (!make(call, options)) return std::unexpected(std::move(call.result.failure()));
  return reply_of(call);
}

/// Further attempts, after one that failed. False: none was answered, and the lock is let go.
bool Client::State::call_again(LinkCall& call, const CallOptions& options, Lock& lock,
                               bool may_go_on) {
  while (!call.result.is_answer()) {
    Failure failure = std::move(call.result.failure());
    const Moment now = os::now();
    if (!may_go_on || !may_retry(failure, options.idempotent) || now >= call.deadline) {
      lock.unlock();
      call.result = std::unexpected(final(std::move(failure), call));
      return false;
    }
    call.may_have_run = call.may_have_run || failure.outcome() == Outcome::unknown;
    call.result.reset();
    may_go_on = attempt(call, options.descriptors, lock, now);
  }
  return true;
}

Peer Client::State::peer() {
  if (is_forked()) return {};
  const Lock lock(mutex_);
  return link_ ? link_->peer() : Peer();
}

std::uint64_t Client::State::reconnects() {
  if (is_forked()) return 0;
  const Lock lock(mutex_);
  return connections_ == 0 ? 0 : connections_ - 1;
}

std::uint64_t Client::State::ring_bytes() {
  if (is_forked()) return 0;
  const Lock lock(mutex_);
  return link_ ? link_->ring_bytes() : 0;
}

std::string Client::State::ring_refusal() {
  if (is_forked()) return {};
  const Lock lock(mutex_);
  return link_ ? link_->ring_refusal() : std::string();
}

// The public face.

Reply::Reply(PayloadBlock* block, std::vector<Descriptor>&& descriptors, session::View* view,
             std::uint64_t view_bytes)
    : block_(block),
      view_(view),
      view_bytes_(view_bytes),
      generation_(os::fork_generation()),
      descriptors_(std::move(descriptors)) {}

void Reply::recycle() {
  // As for ~Client: the pool may be locked by a thread that only the parent has.
  if (generation_ != os::fork_generation()) {
    parents_memory = block_;
    parents_memory = view_;
    return;
  }
  if (block_ != nullptr) PayloadPool::release(block_);
  if (view_ != nullptr) session::end_view_of_reply(view_);
}

std::span<const std::byte> Reply::payload() const {
  if (view_ != nullptr) return view_->bytes().first(view_bytes_);
  return block_ == nullptr ? std::span<const std::byte>() : block_->bytes();
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;

Client& Client::operator=(Client&& other) noexcept {
  Client taken(std::move(other));
  std::swap(state_, taken.state_);  // ~Client decides what becomes of the old one
  return *this;
}

Client::~Client() {
  // In a forked child the descriptors are closed already, and the locks may be held by threads that
  // only the parent has: nothing else may be touched, not even to free it.
  if (state_ && state_->is_forked()) parents_memory = state_.release();
}

namespace {

/// What TINCAN_TRANSPORT says, for whoever looks for a fault and cannot change the program.
Result<Transport> transport_of(const ClientOptions& options) {
  const std::string said = os::environment("TINCAN_TRANSPORT");
  if (said.empty()) return options.transport;
  if (said == "socket") return Transport::socket;
  if (said == "auto") return Transport::automatic;
  if (said == "ring") return Transport::ring;
  return std::unexpected(Failure(
      Cause::usage, "TINCAN_TRANSPORT is \"" + said + "\"; it can be socket, ring or auto"));
}

}  // namespace

Result<Client> Client::connect(const Address& address, const ClientOptions& options) {
  if (options.descriptors_max > limits::message_descriptors_max) {
    return std::unexpected(Failure(Cause::usage,
                                   "descriptors_max is over 253, the most that one "
                                   "message can carry (SCM_MAX_FD)"));
  }
  for (const auto& [name, bytes] : {std::pair("ring_bytes", options.ring_bytes),
                                    std::pair("ring_bytes_max", options.ring_bytes_max)}) {
    if (ring::is_capacity(bytes)) continue;
    return std::unexpected(
        Failure(Cause::usage, std::string(name) + " is no power of two from 256 KiB to 8 MiB"));
  }
  if (options.batch_bytes > limits::fragment_bytes_max) {
    return std::unexpected(
        Failure(Cause::usage, "batch_bytes is over 64 KiB, the most that one frame carries"));
  }
  if (options.views_max > limits::loans_ceiling) {
    return std::unexpected(
        Failure(Cause::usage, "views_max is over 256, the most that one connection hands over"));
  }
  const auto transport = transport_of(options);
  if (!transport) return std::unexpected(transport.error());
  return or_no_memory([&]() -> Result<Client> {
    ClientOptions chosen = options;
    chosen.transport = *transport;
    auto state = std::make_unique<State>(address, chosen);
    if (auto connected = state->connect(); !connected) {
      return std::unexpected(std::move(connected.error()));
    }
    return Client(std::move(state));
  });
}

Result<Client> Client::connect(std::string_view address, const ClientOptions& options) {
  auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  return connect(*parsed, options);
}

Result<Reply> Client::call(std::string_view method, std::span<const std::byte> payload,
                           const CallOptions& options) {
  return or_no_memory([&] { return state_->call(method, payload, options, false); });
}

Result<void> Client::send(std::string_view method, std::span<const std::byte> payload,
                          const CallOptions& options) {
  auto sent = or_no_memory([&] { return state_->call(method, payload, options, true); });
  if (!sent) return std::unexpected(std::move(sent.error()));
  return {};
}

Result<std::uint64_t> Client::submit(std::string_view method, std::span<const std::byte> payload,
                                     Completion completion, const CallOptions& options) {
  return or_no_memory(
      [&] { return state_->submit(method, payload, std::move(completion), options); });
}

void Client::cancel(std::uint64_t call) { state_->cancel(call); }
int Client::fd() { return state_->fd(); }
short Client::events() const { return POLLIN; }
void Client::process() { state_->process(); }
Peer Client::peer() const { return state_->peer(); }
const Address& Client::address() const { return state_->address(); }
std::uint64_t Client::reconnects() const { return state_->reconnects(); }
std::uint64_t Client::ring_bytes() const { return state_->ring_bytes(); }
std::string Client::ring_refusal() const { return state_->ring_refusal(); }

std::optional<std::chrono::steady_clock::time_point> Client::deadline() const {
  return state_->deadline();
}

}  // namespace tincan
