#include "harness/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "harness/worker.h"

namespace bench {

namespace {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t bytes;

  explicit SocketAddress(const std::string& text) {
    if (text.find_first_not_of("0123456789") == std::string::npos) {
      sockaddr_in internet = {};
      internet.sin_family = AF_INET;
      internet.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str())));
      internet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      std::memcpy(&storage, &internet, bytes = sizeof internet);
    } else {
      sockaddr_un local = {};
      local.sun_family = AF_UNIX;
      std::memcpy(local.sun_path, text.c_str(), text.size() + 1);
      std::memcpy(&storage, &local, bytes = sizeof local);
    }
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int new_socket(int flags) const {
    const int socket = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    require(socket >= 0, "socket");
    const int on = 1;
    if (storage.ss_family == AF_INET) {
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    return socket;
  }
};

}  // namespace

std::pair<int, int> socket_pair() {
  int ends[2];
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  return {ends[0], ends[1]};
}

int listen_at(const std::string& address) {
  const SocketAddress where(address);
  const int socket = where.new_socket(SOCK_NONBLOCK);
  require(bind(socket, where.get(), where.bytes) == 0, "bind");
  require(listen(socket, 4096) == 0, "listen");
  return socket;
}

int connect_to(const std::string& address) {
  const SocketAddress where(address);
  const int socket = where.new_socket(0);
  require(connect(socket, where.get(), where.bytes) == 0, "connect");
  return socket;
}

void send_all(int socket, const void* bytes, std::size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t sent = send(socket, next, count, MSG_NOSIGNAL);
    require(sent > 0, "send");
    next += sent;
    count -= static_cast<std::size_t>(sent);
  }
}

std::size_t receive(int socket, void* bytes, std::size_t count) {
  const ssize_t received = recv(socket, bytes, count, 0);
  require(received >= 0, "recv");
  return static_cast<std::size_t>(received);
}

void receive_all(int socket, void* bytes, std::size_t count) {
  char* next = static_cast<char*>(bytes);
  while (count > 0) {
    const std::size_t received = receive(socket, next, count);
    require(received > 0, "recv: the end");
    next += received;
    count -= received;
  }
}

}  // namespace bench
