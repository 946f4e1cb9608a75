#include <utility>

#include "base/check.h"
#include "base/fail.h"
#include "os/clock.h"
#include "os/poller.h"
#include "os/process.h"
#include "path/claim.h"
#include "path/peer.h"
#include "session/server_state.h"
#include "session/take_over.h"

namespace tincan {

using session::Loop;
using session::Service;

namespace {

ListenOptions listen_options(const ServerOptions& options) {
  return {.mode = options.mode,
          .group = options.group,
          .allow = options.allow,
          .backlog = options.backlog,
          .take_over = options.take_over,
          .abstract = options.abstract};
}

/// Keeps in reach what a child cannot free.
[[maybe_unused]] void* volatile parents_server = nullptr;

}  // namespace

Result<void> Server::State::check(const ServerOptions& options) {
  if (options.descriptors_max > limits::message_descriptors_max) {
    return fail(Cause::usage,
                "descriptors_max is over 253, the most that one "
                "message can carry (SCM_MAX_FD)");
  }
  if (options.calls_in_flight_max == 0 ||
      options.calls_in_flight_max > limits::calls_in_flight_ceiling) {
    return fail(Cause::usage, "calls_in_flight_max is not in 1 … 65535");
  }
  if (options.frames_per_turn_max == 0) {
    return fail(Cause::usage, "frames_per_turn_max is 0: nothing would be taken");
  }
  if (options.request_bytes_step == 0) {
    return fail(Cause::usage, "request_bytes_step is 0: nothing could be counted in it");
  }
  if (options.views_max > limits::loans_ceiling) {
    return fail(Cause::usage, "views_max is over 256, the most that one connection hands over");
  }
  if (options.accept_rest.count() <= 0) {
    return fail(Cause::usage,
                "accept_rest is not over 0: a server without free descriptors would spin");
  }
  return {};
}

Result<std::unique_ptr<Server::State>> Server::State::create(Address address,
                                                             const ServerOptions& options,
                                                             std::optional<path::Claim> claim) {
  auto service = Service::create(std::move(address), options, std::move(claim));
  if (!service) return std::unexpected(std::move(service.error()));
  auto loop = (*service)->add_loop();
  if (!loop) return std::unexpected(std::move(loop.error()));
  return std::make_unique<State>(std::move(*service), *loop);
}

void Server::State::adopt(Descriptor socket) {
  service->set_single_connection();
  session::Newcomer newcomer{std::move(socket), {}};
  newcomer.peer = path::peer_of(newcomer.socket.get(), true);
  loop->expect_one();
  loop->add(std::move(newcomer));
}

Result<Server> Server::listen(const Address& address, const ServerOptions& options) {
  if (auto checked = State::check(options); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  auto claimed = session::claim(address, listen_options(options));
  if (!claimed) return std::unexpected(std::move(claimed.error()));
  Descriptor connection;
  std::optional<path::Claim> listening;
  if (claimed->claim.is_connection()) {
    connection = claimed->claim.release_connection();
  } else {
    listening = std::move(claimed->claim);
  }
  auto state = State::create(address, options, std::move(listening));
  if (!state) return std::unexpected(std::move(state.error()));
  if (connection) (*state)->adopt(std::move(connection));
  if (claimed->predecessor) (*state)->service->succeed(std::move(*claimed->predecessor));
  return Server(std::move(*state));
}

Result<Server> Server::listen(std::string_view address, const ServerOptions& options) {
  auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  return listen(*parsed, options);
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&& other) noexcept {
  if (this != &other) {
    const Server gone(std::move(state_));  // ends as any other does, also in a forked child
    state_ = std::move(other.state_);
  }
  return *this;
}

Server::~Server() {
  // As Client's: in a forked child nothing of the parent's may be touched.
  if (state_ && state_->service->is_forked()) parents_server = state_.release();
}

void Server::on(std::string_view method, Handler handler, AllowList allow) {
  TINCAN_CHECK(!method.starts_with("tincan."));  // those names are ours
  state_->service->on(method, std::move(handler), std::move(allow));
}

void Server::on_batch(std::string_view method, BatchHandler handler, AllowList allow) {
  TINCAN_CHECK(!method.starts_with("tincan."));
  state_->service->on_batch(method, std::move(handler), std::move(allow));
}

void Server::on_any(Handler handler, AllowList allow) {
  state_->service->on_any(std::move(handler), std::move(allow));
}

Result<void> Server::run() {
  Service& service = *state_->service;
  const auto forked = [] {
    return std::unexpected(Failure(
        Cause::forked, "this server belongs to the parent process; listen again after fork()"));
  };
  if (service.is_forked()) return forked();
  service.freeze();
  if (auto begun = service.begin(); !begun) return begun;
  Loop* loop = state_->loop;
  const bool first = !state_->loop_taken.exchange(true);
  if (!first) {
    auto added = service.add_loop();
    if (!added) return std::unexpected(std::move(added.error()));
    loop = *added;
  }
  while (loop->turn(Moment::never())) {
  }
  if (service.is_forked()) return forked();  // a handler forked, and returned in the child
  if (!first) service.remove_loop(*loop);
  return {};
}

void Server::stop() {
  if (!state_->service->is_forked()) state_->service->stop();
}

bool Server::draining() const { return state_->service->draining(); }

int Server::fd() const { return state_->loop->fd(); }
short Server::events() const { return POLLIN; }

std::optional<std::chrono::steady_clock::time_point> Server::deadline() const {
  if (state_->service->is_forked()) return std::nullopt;
  if (!state_->service->has_begun()) return to_time_point(Moment());  // at once
  return to_time_point(state_->loop->deadline());
}

bool Server::process() {
  if (state_->service->is_forked()) return false;
  state_->service->freeze();
  if (const auto begun = state_->service->begin(); !begun) {
    state_->service->log(begun.error().explain());
    return false;
  }
  state_->loop_taken = true;
  if (!state_->loop->turn(Moment())) return false;
  // Whoever polls fd() hears of nothing else than what rings.
  [[maybe_unused]] const bool all_sleep = state_->loop->let_rings_sleep();
  return true;
}

const Address& Server::address() const { return state_->service->address; }
Server::Counts Server::counts() const {
  if (state_->service->is_forked()) return {};
  return state_->service->counts();
}

}  // namespace tincan
