#include "os/socket.h"

#include <fcntl.h>

#include <cstring>

#include "base/check.h"
#include "os/clock.h"
#include "os/seam.h"
#include "tincan/limits.h"

// Linux 6.5; the C library of Debian 12 does not name it. asm-generic/socket.h.
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace tincan::os {

namespace {

/// Runs `call` until it is not interrupted by a signal.
template <class Function>
auto uninterrupted(Function call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

int flags_of(Mode mode) { return mode == Mode::do_not_wait ? MSG_DONTWAIT : 0; }

Sys<void> set_timeout(int socket, int option, Nanoseconds timeout) {
  if (const int error = before(Call::setsockopt)) return failed(error);
  const auto microseconds =
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::microseconds>(timeout).count());
  timeval time;
  time.tv_sec = microseconds / 1'000'000;
  time.tv_usec = microseconds % 1'000'000;
  return done(setsockopt(socket, SOL_SOCKET, option, &time, sizeof time));
}

Sys<int> integer_option(int socket, int option) {
  if (const int error = before(Call::getsockopt)) return failed(error);
  int value = 0;
  socklen_t bytes = sizeof value;
  if (getsockopt(socket, SOL_SOCKET, option, &value, &bytes) < 0) return failed();
  return value;
}

/// Room for the control message of the most descriptors the kernel passes at once.
struct ControlBuffer {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * limits::message_descriptors_max)];
};

void take_descriptors(msghdr& message, std::vector<Descriptor>& descriptors) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const auto taken = [&](std::size_t i) {
      int number;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
      return Descriptor(number);
    };
    try {
      descriptors.reserve(descriptors.size() + count);
    } catch (const std::bad_alloc&) {
      for (std::size_t i = 0; i < count; ++i) taken(i).reset();  // they are open already
      throw;
    }
    for (std::size_t i = 0; i < count; ++i) descriptors.push_back(taken(i));
  }
}

}  // namespace

SocketAddress SocketAddress::of_path(std::string_view path) {
  TINCAN_CHECK(!path.empty() && path.size() <= limits::sun_path_bytes_max);
  SocketAddress address;
  address.storage.sun_family = AF_UNIX;
  std::memcpy(address.storage.sun_path, path.data(), path.size());
  address.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

SocketAddress SocketAddress::of_abstract(std::string_view name) {
  TINCAN_CHECK(!name.empty() && name.size() <= limits::sun_path_bytes_max);
  SocketAddress address;
  address.storage.sun_family = AF_UNIX;
  std::memcpy(address.storage.sun_path + 1, name.data(), name.size());
  address.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

Sys<Descriptor> stream_socket() {
  if (const int error = before(Call::socket)) return failed(error);
  const int number = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (number < 0) return failed();
  return Descriptor(number);
}

Sys<std::pair<Descriptor, Descriptor>> stream_socket_pair() {
  if (const int error = before(Call::socketpair)) return failed(error);
  int numbers[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, numbers) < 0) return failed();
  return std::pair(Descriptor(numbers[0]), Descriptor(numbers[1]));
}

Sys<void> bind(int socket, const SocketAddress& address) {
  if (const int error = before(Call::bind)) return failed(error);
  return done(::bind(socket, reinterpret_cast<const sockaddr*>(&address.storage), address.bytes));
}

Sys<void> listen(int socket, int backlog) {
  if (const int error = before(Call::listen)) return failed(error);
  return done(::listen(socket, backlog));
}

Sys<void> connect(int socket, const SocketAddress& address) {
  if (const int error = before(Call::connect)) return failed(error);
  // An interrupted connect of a Unix socket has not begun: unlike TCP it is simply made again.
  return done(uninterrupted([&] {
    return ::connect(socket, reinterpret_cast<const sockaddr*>(&address.storage), address.bytes);
  }));
}

Sys<void> connect(int socket, const SocketAddress& address, Moment deadline) {
  const auto attempt = [&]() -> Sys<void> {
    if (const int error = before(Call::connect)) return failed(error);
    return done(
        ::connect(socket, reinterpret_cast<const sockaddr*>(&address.storage), address.bytes));
  };
  Sys<void> result = failed(EINTR);
  // A signal ends the wait, and the next attempt must wait only for what is left.
  while (!result && result.error().code == EINTR) {
    const Nanoseconds wait = deadline.since(now());
    const bool waits = wait > Nanoseconds::zero();
    const auto prepared = waits ? set_send_timeout(socket, wait) : set_blocking(socket, false);
    if (!prepared) return prepared;
    result = attempt();
    // The time limit may stay: nothing here ever sleeps in a write.
    if (!waits) {
      if (const auto restored = set_blocking(socket, true); !restored) return restored;
    }
  }
  return result;
}

Sys<void> set_blocking(int socket, bool blocking) {
  if (const int error = before(Call::fcntl)) return failed(error);
  const int flags = ::fcntl(socket, F_GETFL);
  if (flags < 0) return failed();
  return done(::fcntl(socket, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

Sys<bool> is_blocking(int socket) {
  if (const int error = before(Call::fcntl)) return failed(error);
  const int flags = ::fcntl(socket, F_GETFL);
  if (flags < 0) return failed();
  return (flags & O_NONBLOCK) == 0;
}

Sys<void> set_close_on_exec(int descriptor) {
  if (const int error = before(Call::fcntl)) return failed(error);
  return done(::fcntl(descriptor, F_SETFD, FD_CLOEXEC));
}

Sys<Descriptor> accept(int socket) {
  if (const int error = before(Call::accept)) return failed(error);
  const int number =
      uninterrupted([&] { return ::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC); });
  if (number < 0) return failed();
  return Descriptor(number);
}

Sys<void> shutdown(int socket, int how) {
  if (const int error = before(Call::shutdown)) return failed(error);
  return done(::shutdown(socket, how));
}

Sys<std::size_t> send(int socket, std::span<const std::byte> bytes, Mode mode) {
  std::size_t length = bytes.size();
  if (const int error = before(Call::send, &length)) return failed(error);
  const auto sent = uninterrupted(
      [&] { return ::send(socket, bytes.data(), length, MSG_NOSIGNAL | flags_of(mode)); });
  if (sent < 0) return failed();
  return static_cast<std::size_t>(sent);
}

Sys<std::size_t> send(int socket, std::span<const std::byte> bytes,
                      std::span<const int> descriptors, Mode mode) {
  if (descriptors.empty()) return send(socket, bytes, mode);
  TINCAN_CHECK(!bytes.empty() && descriptors.size() <= limits::message_descriptors_max);
  std::size_t length = bytes.size();
  if (const int error = before(Call::send, &length)) return failed(error);
  iovec vector{const_cast<std::byte*>(bytes.data()), length};
  ControlBuffer control;
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  const auto sent =
      uninterrupted([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | flags_of(mode)); });
  if (sent < 0) return failed();
  return static_cast<std::size_t>(sent);
}

Sys<std::size_t> receive(int socket, std::span<std::byte> into, Mode mode) {
  std::size_t length = into.size();
  if (const int error = before(Call::recv, &length)) return failed(error);
  const auto received =
      uninterrupted([&] { return ::recv(socket, into.data(), length, flags_of(mode)); });
  if (received < 0) return failed();
  return static_cast<std::size_t>(received);
}

Sys<Arrival> receive(int socket, std::span<std::byte> into, std::vector<Descriptor>& descriptors,
                     Mode mode) {
  std::size_t length = into.size();
  if (const int error = before(Call::recv, &length)) return failed(error);
  iovec vector{into.data(), length};
  ControlBuffer control;
  msghdr message = {};
  const auto received = uninterrupted([&] {
    message = {};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags_of(mode));
  });
  if (received < 0) return failed();
  take_descriptors(message, descriptors);
  return Arrival{static_cast<std::size_t>(received), (message.msg_flags & MSG_CTRUNC) != 0};
}

Sys<void> set_receive_timeout(int socket, Nanoseconds timeout) {
  return set_timeout(socket, SO_RCVTIMEO, timeout);
}

Sys<void> set_send_timeout(int socket, Nanoseconds timeout) {
  return set_timeout(socket, SO_SNDTIMEO, timeout);
}

Sys<void> set_send_buffer(int socket, std::uint32_t bytes) {
  if (const int error = before(Call::setsockopt)) return failed(error);
  const auto value = static_cast<int>(bytes);
  return done(setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &value, sizeof value));
}

Sys<ucred> peer_credentials(int socket) {
  if (const int error = before(Call::getsockopt)) return failed(error);
  ucred credentials;
  socklen_t bytes = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0) return failed();
  return credentials;
}

Sys<std::vector<gid_t>> peer_groups(int socket) {
  if (const int error = before(Call::getsockopt)) return failed(error);
  std::vector<gid_t> groups(32);
  auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
  if (result < 0 && errno == ERANGE) {  // the kernel has put the size it needs into `bytes`
    groups.resize(bytes / sizeof(gid_t));
    result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
  }
  if (result < 0) return failed();
  groups.resize(bytes / sizeof(gid_t));
  return groups;
}

Sys<Descriptor> peer_pidfd(int socket) {
  const auto number = integer_option(socket, SO_PEERPIDFD);
  if (!number) return std::unexpected(number.error());
  return Descriptor(*number);
}

Sys<bool> is_listening(int socket) {
  const auto value = integer_option(socket, SO_ACCEPTCONN);
  if (!value) return std::unexpected(value.error());
  return *value != 0;
}

Sys<bool> is_unix_stream(int socket) {
  const auto domain = integer_option(socket, SO_DOMAIN);
  if (!domain) return std::unexpected(domain.error());
  const auto type = integer_option(socket, SO_TYPE);
  if (!type) return std::unexpected(type.error());
  return *domain == AF_UNIX && *type == SOCK_STREAM;
}

}  // namespace tincan::os
