#include "session/service.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "os/process.h"
#include "path/access.h"

namespace tincan::session {

namespace {

Nanoseconds saturated(std::chrono::milliseconds time) {
  const auto longest = std::chrono::duration_cast<std::chrono::milliseconds>(Nanoseconds::max());
  return std::clamp(time, std::chrono::milliseconds(0), longest);
}

protocol::Settings settings_of(const ServerOptions& options) {
  return {.payload_bytes_max = options.payload_bytes_max,
          .calls_in_flight_max = options.calls_in_flight_max,
          .descriptors_max = options.descriptors_max,
          .descriptors_held_max = options.descriptors_held_max,
          .incoming_bytes_max = options.incoming_bytes_max,
          .incoming_bytes_free = options.request_bytes_free,
          .outgoing_bytes_pause = options.outgoing_bytes_pause,
          .frames_per_receive = options.frames_per_turn_max,
          .abilities = wire::ability_batch | wire::ability_handover |
                       (options.rings_max > 0 ? std::uint64_t{wire::ability_ring} : 0),
          .loans_max = options.views_max,
          .loan_bytes_max = std::min(options.view_bytes_max, options.view_bytes_per_uid_max)};
}

protocol::Settings trusting(protocol::Settings settings) {
  settings.abilities |= wire::ability_shared_views;
  return settings;
}

}  // namespace

Result<std::unique_ptr<Service>> Service::create(Address address, const ServerOptions& options,
                                                 std::optional<path::Claim> claim) {
  auto bell = os::Bell::create();
  if (!bell) {
    return std::unexpected(
        Failure(Cause::exhausted, "no descriptor for the server's bell", bell.error().code));
  }
  return std::unique_ptr<Service>(
      new Service(std::move(address), options, std::move(claim), std::move(*bell)));
}

Service::Service(Address where, const ServerOptions& how, std::optional<path::Claim> claim,
                 os::Bell stop)
    : address(std::move(where)),
      options(how),
      rules(path::describe(how.allow)),
      generation(os::fork_generation()),
      handshake_deadline(saturated(how.handshake_deadline)),
      drain_deadline(saturated(how.drain_deadline)),
      accept_rest(saturated(how.accept_rest)),
      slow_handler(saturated(how.slow_handler)),
      ring_idle(saturated(how.ring_idle)),
      pool(PayloadPool::create()),
      session_settings(settings_of(options)),
      trusting_settings(trusting(session_settings)),
      quota({.connections = how.connections_max,
             .connections_per_uid = how.connections_per_uid_max,
             .request_bytes = how.request_bytes_max,
             .request_bytes_per_uid = how.request_bytes_per_uid_max,
             .rings = how.rings_max,
             .rings_per_uid = how.rings_per_uid_max,
             .ring_grants_per_second = how.ring_grants_per_second}),
      views(std::make_shared<MemoryBudget>(how.view_bytes_max, how.view_bytes_per_uid_max)),
      loans(std::make_shared<MemoryBudget>(how.loan_bytes_max, how.loan_bytes_per_uid_max)),
      own_loans({.lends = true,
                 .shared_views = true,
                 .loan_bytes_max = how.loan_bytes_max,
                 .loan_bytes_min = how.loan_bytes_min},
                loans, MemoryBudget::nobody),
      claim_(std::move(claim)),
      stop_bell_(std::move(stop)) {
  add_reserved_methods(*this);
}

Service::~Service() {
  // What a successor has is not to be taken back, also when we end before our own drain.
  forget_successor();
  loops_.clear();
  claim_.reset();
  pool->drop();
}

bool Service::is_forked() const { return os::fork_generation() != generation; }

void Service::on(std::string_view method, Handler handler, AllowList allow) {
  TINCAN_CHECK(!frozen_.load(std::memory_order_relaxed));  // methods come before run()
  TINCAN_CHECK(!method.empty() && method.size() <= limits::method_bytes_max);
  std::string allowed = path::describe(allow);
  lists_.reset();
  methods_.insert_or_assign(
      std::string(method),
      MethodEntry{
          std::string(method), std::move(handler), std::move(allow), std::move(allowed), {}});
}

void Service::on_batch(std::string_view method, BatchHandler handler, AllowList allow) {
  // What does not lie in the input, or wants an answer, comes as a request.
  on(
      method,
      [handler](Request request) {
        handler(Batch(request));
        request.reply();
      },
      std::move(allow));
  methods_.find(method)->second.batch_handler = std::move(handler);
}

void Service::on_any(Handler handler, AllowList allow) {
  TINCAN_CHECK(!frozen_.load(std::memory_order_relaxed));
  std::string allowed = path::describe(allow);
  any_method_ =
      MethodEntry{"any method", std::move(handler), std::move(allow), std::move(allowed), {}};
}

const MethodEntry* Service::find(std::string_view method) const {
  const auto found = methods_.find(method);
  if (found != methods_.end()) return &found->second;
  // Reserved names are not the application's, also those that only later versions know.
  return any_method_ && !method.starts_with("tincan.") ? &*any_method_ : nullptr;
}

std::vector<std::string_view> Service::method_names() const {
  std::vector<std::string_view> names;
  names.reserve(methods_.size());
  for (const auto& [name, entry] : methods_) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

std::string Service::no_method(std::string_view method) const {
  const bool reserved = method.starts_with("tincan.");
  const std::lock_guard lock(lists_mutex_);
  if (!lists_) {
    auto& lists = lists_.emplace();
    for (const std::string_view name : method_names()) {
      std::string& list = lists[name.starts_with("tincan.")];
      if (list.size() > limits::error_text_bytes_max) continue;  // it is cut there anyway
      if (!list.empty()) list += ", ";
      list += name;
    }
  }
  const std::string& list = (*lists_)[reserved];
  return "no method " + std::string(method) + " (methods: " + (list.empty() ? "none" : list) + ")";
}

Result<Loop*> Service::add_loop() {
  auto loop = Loop::create(*this);
  if (!loop) return std::unexpected(std::move(loop.error()));
  const std::lock_guard lock(mutex_);
  if (listener() >= 0 && !single_connection_) ++listening_loops_;
  loops_.push_back(std::move(*loop));
  return loops_.back().get();
}

void Service::remove_loop(Loop& loop) {
  std::unique_ptr<Loop> removed;
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(loops_, &loop, &std::unique_ptr<Loop>::get);
  removed = std::move(*found);
  loops_.erase(found);
  past_counts_.accepted += removed->counts.accepted;
  past_counts_.refused += removed->counts.refused;
  past_counts_.calls += removed->counts.calls;
  past_counts_.replies += removed->counts.replies;
  past_counts_.errors += removed->counts.errors;
  past_counts_.declined += removed->counts.declined;
  past_counts_.undeliverable += removed->counts.undeliverable;
  past_counts_.expired += removed->counts.expired;
  past_counts_.cancelled += removed->counts.cancelled;
  past_counts_.breaches += removed->counts.breaches;
}

bool Service::place_elsewhere(Newcomer& newcomer, Loop& from) {
  const std::lock_guard lock(mutex_);
  Loop* chosen = &from;
  for (const auto& loop : loops_) {
    if (loop->load() < chosen->load()) chosen = loop.get();
  }
  chosen->expect_one();
  if (chosen == &from) return false;
  // A loop that has ended in a drain takes nobody. (Nor does one when there is no memory for it.)
  if (chosen->mailbox()->post(std::move(newcomer))) return true;
  chosen->expect_one_less();
  from.expect_one();
  return false;
}

Server::Counts Service::counts() const {
  const std::lock_guard lock(mutex_);
  Server::Counts sum = past_counts_;
  for (const auto& loop : loops_) {
    sum.connections += loop->counts.connections;
    sum.rings += loop->counts.rings;
    sum.accepted += loop->counts.accepted;
    sum.refused += loop->counts.refused;
    sum.calls += loop->counts.calls;
    sum.replies += loop->counts.replies;
    sum.errors += loop->counts.errors;
    sum.declined += loop->counts.declined;
    sum.undeliverable += loop->counts.undeliverable;
    sum.expired += loop->counts.expired;
    sum.cancelled += loop->counts.cancelled;
    sum.breaches += loop->counts.breaches;
  }
  return sum;
}

void Service::stop() {
  stop_asked_.store(true, std::memory_order_relaxed);
  stop_bell_.ring();
}

void Service::log(const std::string& line) const {
  if (!options.log) return;
  try {
    options.log(line);
  } catch (...) {
    // The loop and its connections are not to suffer from it.
  }
}

}  // namespace tincan::session
