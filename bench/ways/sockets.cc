#include "ways/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "ways/shared.h"
#include "ways/socket_ends.h"
#include "ways/unix_address.h"

namespace bench {

namespace {

constexpr int send_buffer_bytes = 1 << 20;

struct Address {
  sockaddr_storage bytes = {};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
};

Address in_file_system(const std::string& path) {
  Address address;
  const sockaddr_un name = unix_address(path);
  std::memcpy(&address.bytes, &name, address.size = sizeof name);
  return address;
}

/// Port 0: any.
Address loopback(bool version_6) {
  Address address;
  if (version_6) {
    const sockaddr_in6 name = {.sin6_family = AF_INET6,
                               .sin6_port = 0,
                               .sin6_flowinfo = 0,
                               .sin6_addr = in6addr_loopback,
                               .sin6_scope_id = 0};
    std::memcpy(&address.bytes, &name, address.size = sizeof name);
  } else {
    const sockaddr_in name = {.sin_family = AF_INET,
                              .sin_port = 0,
                              .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                              .sin_zero = {}};
    std::memcpy(&address.bytes, &name, address.size = sizeof name);
  }
  return address;
}

class SocketWay : public Way {
 public:
  explicit SocketWay(SocketKind kind) : kind_(kind) {}

  void prepare(const Task& task) override {
    Way::prepare(task);
    listener_ = open_socket();
    server_ = bind_to(listener_, "server");
    if (kind_ == SocketKind::unix_datagrams) {
      client_ = open_socket();
      client_address_ = bind_to(client_, "client");
    }
    if (is_connected()) demand(::listen(listener_.get(), 4096) == 0, "listen");
  }

  void serve(const std::function<void()>& ready) override {
    ready();
    if (!is_connected()) return serve_datagrams();
    switch (task().work) {
      case Work::fan_in:
        return serve_many();
      case Work::set_up:
        while (true) serve_all(*accepted(), task());
      case Work::idle:
        for (std::vector<std::unique_ptr<End>> kept;;) kept.push_back(accepted());
      default:
        return serve_all(*accepted(), task());
    }
  }

  std::unique_ptr<Caller> connect(unsigned) override {
    Descriptor socket = client_ ? std::move(client_) : open_socket();
    demand(::connect(socket.get(), server_.get(), server_.size) == 0, "connect");
    return std::make_unique<EndCaller>(make_end(std::move(socket), false));
  }

 protected:
  virtual std::unique_ptr<End> make_end(Descriptor socket, bool is_server) {
    prepare_socket(socket);
    if (kind_ == SocketKind::udp4 || kind_ == SocketKind::udp6) {
      return std::make_unique<UdpEnd>(std::move(socket), task(), is_server);
    }
    return std::make_unique<SocketEnd>(std::move(socket), task(), type() == SOCK_STREAM);
  }
  /// The same cap on what is under way for all of them.
  void prepare_socket(const Descriptor& socket) const {
    const int bytes = send_buffer_bytes;
    demand(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0,
           "SO_SNDBUF");
    if (kind_ != SocketKind::tcp4 && kind_ != SocketKind::tcp6) return;
    const int yes = 1;
    demand(::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0,
           "TCP_NODELAY");
  }

 private:
  [[nodiscard]] int family() const {
    switch (kind_) {
      case SocketKind::tcp4:
      case SocketKind::udp4:
        return AF_INET;
      case SocketKind::tcp6:
      case SocketKind::udp6:
        return AF_INET6;
      default:
        return AF_UNIX;
    }
  }
  [[nodiscard]] int type() const {
    switch (kind_) {
      case SocketKind::unix_packets:
        return SOCK_SEQPACKET;
      case SocketKind::unix_datagrams:
      case SocketKind::udp4:
      case SocketKind::udp6:
        return SOCK_DGRAM;
      default:
        return SOCK_STREAM;
    }
  }
  [[nodiscard]] bool is_connected() const { return type() != SOCK_DGRAM; }

  [[nodiscard]] Descriptor open_socket() const {
    return opened(::socket(family(), type() | SOCK_CLOEXEC, 0), "socket");
  }
  Address bind_to(const Descriptor& socket, const char* name) const {
    Address address =
        family() == AF_UNIX ? in_file_system(path(name)) : loopback(family() == AF_INET6);
    demand(::bind(socket.get(), address.get(), address.size) == 0, "bind");
    address.size = sizeof address.bytes;
    demand(::getsockname(socket.get(), address.get(), &address.size) == 0, "getsockname");
    return address;
  }

  [[nodiscard]] Descriptor accept_socket() const {
    return opened(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept4");
  }
  std::unique_ptr<End> accepted() { return make_end(accept_socket(), true); }

  /// Answers whoever sends first; there is no other.
  void serve_datagrams() {
    Address peer = client_address_;
    if (family() != AF_UNIX) {
      peer.size = sizeof peer.bytes;
      std::byte first;
      demand(::recvfrom(listener_.get(), &first, 1, MSG_PEEK, peer.get(), &peer.size) >= 0,
             "recvfrom");
    }
    demand(::connect(listener_.get(), peer.get(), peer.size) == 0, "connect");
    serve_all(*make_end(std::move(listener_), true), task());
  }

  void serve_many() {
    struct Client {
      std::unique_ptr<SocketEnd> end;
      Receiver receiver;
    };
    std::vector<std::unique_ptr<Client>> clients;
    const Descriptor poller = opened(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    const auto watch = [&](const Descriptor& socket, Client* client) {
      epoll_event event = {.events = EPOLLIN, .data = {.ptr = client}};
      demand(::epoll_ctl(poller.get(), EPOLL_CTL_ADD, socket.get(), &event) == 0, "epoll_ctl");
    };
    watch(listener_, nullptr);
    std::vector<epoll_event> events(64);
    while (true) {
      const int count = ::epoll_wait(poller.get(), events.data(), 64, -1);
      for (const epoll_event& event :
           std::span(events).first(static_cast<unsigned>(std::max(count, 0)))) {
        auto* const client = static_cast<Client*>(event.data.ptr);
        if (client != nullptr) {
          if (client->end && !serve_one(*client->end, client->receiver, task()))
            client->end.reset();
          continue;
        }
        auto end = std::make_unique<SocketEnd>(accept_socket(), task(), type() == SOCK_STREAM);
        prepare_socket(end->socket());
        clients.push_back(std::make_unique<Client>(Client{std::move(end), receiver_for(task())}));
        watch(clients.back()->end->socket(), clients.back().get());
      }
    }
  }

  const SocketKind kind_;
  Descriptor listener_;
  Descriptor client_;
  Address server_;
  Address client_address_;
};

class BatchedSocketWay final : public SocketWay {
 public:
  BatchedSocketWay() : SocketWay(SocketKind::unix_stream) {}

 protected:
  std::unique_ptr<End> make_end(Descriptor socket, bool) override {
    prepare_socket(socket);
    return std::make_unique<BatchedEnd>(std::move(socket), task());
  }
};

class LookingSocketWay final : public SocketWay {
 public:
  LookingSocketWay() : SocketWay(SocketKind::unix_stream) {}
  void prepare(const Task& task) override {
    SocketWay::prepare(task);
    where_.emplace();
  }

 protected:
  std::unique_ptr<End> make_end(Descriptor socket, bool is_server) override {
    prepare_socket(socket);
    auto& own = is_server ? (*where_)->server_cpu : (*where_)->client_cpu;
    const auto& peers = is_server ? (*where_)->client_cpu : (*where_)->server_cpu;
    return std::make_unique<LookingEnd>(std::move(socket), task(), own, peers);
  }

 private:
  std::optional<Shared<Whereabouts>> where_;
};

}  // namespace

std::unique_ptr<Way> make_socket_way(SocketKind kind) { return std::make_unique<SocketWay>(kind); }
std::unique_ptr<Way> make_batched_socket_way() { return std::make_unique<BatchedSocketWay>(); }
std::unique_ptr<Way> make_looking_socket_way() { return std::make_unique<LookingSocketWay>(); }

std::size_t packet_bytes_max() {
  std::size_t bytes = 0;
  std::ifstream("/proc/sys/net/core/wmem_max") >> bytes;
  // The kernel doubles what is asked for, and keeps some of it for itself.
  return 2 * std::min<std::size_t>(bytes, send_buffer_bytes) - 64;
}

}  // namespace bench
