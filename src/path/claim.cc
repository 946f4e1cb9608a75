#include "path/claim.h"

#include <mutex>
#include <optional>

#include "base/fail.h"
#include "os/poller.h"
#include "os/process.h"
#include "os/socket.h"
#include "path/inherited.h"
#include "path/path_socket.h"

namespace tincan::path {

struct Claim::State {
  std::optional<PathSocket> path;  ///< Holds the listener of a path.
  os::CloseInChild socket;         ///< Any other listener, or a connection.
  bool connection = false;
  bool inherited = false;
  bool blocking = false;
  bool removed = false;
  bool shared = false;      ///< Another server has listener and lock too: the path is not touched.
  FileRights handed_as;     ///< The rights that the file had at `hand_over`.
  std::mutex accept_mutex;  ///< Of a blocking listener: keeps look and accept together.
  std::uint32_t generation = os::fork_generation();

  [[nodiscard]] int fd() const { return path ? path->listener() : socket.get(); }
};

namespace {

std::string abstract_holder(const os::SocketAddress& address) {
  const auto probe = os::stream_socket();
  if (!probe || !os::connect(probe->get(), address, Moment())) return "another process";
  const auto holder = os::peer_credentials(probe->get());
  if (!holder || holder->pid <= 0) return "another process";
  return "pid " + std::to_string(holder->pid) + " (" + os::program_of(holder->pid) + ")";
}

Result<Descriptor> listen_abstract(const Address& address, const ListenOptions& options) {
  if (!options.abstract || options.allow.empty()) {
    return fail(Cause::usage, address.text() +
                                  " has no file permissions: it takes ListenOptions::abstract and "
                                  "an allow-list of users or groups; or use a path");
  }
  const auto name = os::SocketAddress::of_abstract(address.name());
  auto socket = os::stream_socket();
  if (!socket) return fail(Cause::exhausted, address.text(), socket.error().code);
  auto ready = os::set_blocking(socket->get(), false);
  if (ready) ready = os::bind(socket->get(), name);
  if (!ready && ready.error().code == EADDRINUSE) {
    return fail(Cause::held, address.text() + " is held by " + abstract_holder(name));
  }
  if (ready) ready = os::listen(socket->get(), options.backlog);
  if (!ready) return fail(Cause::system, address.text() + " cannot be claimed", ready.error().code);
  return std::move(*socket);
}

Result<void> inherit(const Address& address, Claim::State& state) {
  auto taken = take_inherited(address);
  if (!taken) return std::unexpected(taken.error());
  const auto blocking = os::is_blocking(taken->socket.get());
  state.socket.reset(std::move(taken->socket));
  state.connection = !taken->listening;
  state.inherited = true;
  state.blocking = blocking.value_or(true);
  return {};
}

Result<void> fill(Claim::State& state, const Address& address, const ListenOptions& options) {
  switch (address.kind()) {
    case Address::Kind::path: {
      const auto rights = Rights::of(options);
      if (!rights) return std::unexpected(rights.error());
      auto claimed = PathSocket::claim(address.name(), *rights);
      if (!claimed) return std::unexpected(claimed.error());
      state.path.emplace(std::move(*claimed));
      return {};
    }
    case Address::Kind::abstract: {
      auto socket = listen_abstract(address, options);
      if (!socket) return std::unexpected(socket.error());
      state.socket.reset(std::move(*socket));
      return {};
    }
    case Address::Kind::descriptor:
    case Address::Kind::systemd:
      return inherit(address, state);
    case Address::Kind::exec:
      break;
  }
  return fail(Cause::usage,
              address.text() + ": a server cannot listen there; exec: is for clients");
}

}  // namespace

Result<Claim> Claim::make(const Address& address, const ListenOptions& options) {
  auto state = std::make_unique<State>();
  if (auto filled = fill(*state, address, options); !filled) {
    return std::unexpected(filled.error());
  }
  return Claim(std::move(state));
}

Result<Claim> Claim::adopt(const Address& address, const ListenOptions& options,
                           std::vector<Descriptor> handed) {
  const auto rights = Rights::of(options);
  if (!rights) return std::unexpected(rights.error());
  if (address.kind() != Address::Kind::path) {
    return fail(Cause::unsupported, address.text() + ": only a path can be taken over");
  }
  if (handed.size() != 2) {
    return fail(Cause::held, address.text() + ": listener and lock were not handed over");
  }
  auto adopted =
      PathSocket::adopt(address.name(), *rights, std::move(handed[0]), std::move(handed[1]));
  if (!adopted) return std::unexpected(adopted.error());
  auto state = std::make_unique<State>();
  state->path.emplace(std::move(*adopted));
  state->shared = true;
  return Claim(std::move(state));
}

Claim::Claim(std::unique_ptr<State> state) : state_(std::move(state)) {}
Claim::Claim(Claim&&) noexcept = default;

Claim& Claim::operator=(Claim&& other) noexcept {
  if (this != &other) {
    if (state_) remove();
    state_ = std::move(other.state_);
  }
  return *this;
}

Claim::~Claim() {
  if (state_) remove();
}

int Claim::fd() const { return state_->fd(); }

bool Claim::is_connection() const { return state_->connection; }

bool Claim::inherited() const { return state_->inherited; }

Descriptor Claim::release_connection() { return state_->socket.release(); }

os::Sys<Descriptor> Claim::accept() {
  if (!state_->blocking) return os::accept(state_->fd());
  const std::lock_guard lock(state_->accept_mutex);
  const auto ready = os::wait_for(state_->fd(), POLLIN, Moment());
  if (!ready) return std::unexpected(ready.error());
  if (*ready == 0) return os::failed(EAGAIN);
  return os::accept(state_->fd());
}

void Claim::remove() {
  if (!state_->path || state_->shared || std::exchange(state_->removed, true)) return;
  if (state_->generation == os::fork_generation()) state_->path->withdraw();
}

Result<std::vector<Descriptor>> Claim::hand_over() {
  if (!state_->path || state_->removed) {
    return fail(Cause::unsupported, "only the owner of a path can hand it over");
  }
  std::vector<Descriptor> handed;
  for (const bool lock : {false, true}) {
    auto copy = lock ? state_->path->duplicate_lock() : state_->path->duplicate_listener();
    if (!copy) return std::unexpected(copy.error());
    handed.push_back(std::move(*copy));
  }
  const auto rights = state_->path->rights();
  if (!rights) {
    return fail(Cause::system, "the socket file cannot be looked at", rights.error().code);
  }
  state_->handed_as = *rights;
  state_->shared = true;
  return handed;
}

Result<void> Claim::take_back() {
  state_->shared = false;
  const auto taken = state_->path->take_back(state_->handed_as);
  if (taken) return {};
  return fail(Cause::system, "mode, group and lock cannot all be put back", taken.error().code);
}

void Claim::keep() { state_->shared = false; }

bool Claim::is_named_in_lock() const { return state_->path->is_named_in_lock(); }

std::string Claim::holder() const { return state_->path->holder(); }

void Claim::abandon() {
  state_->removed = true;
  if (state_->path) state_->path->abandon();
  state_->socket.reset();
}

}  // namespace tincan::path
