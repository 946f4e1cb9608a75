#include "trial/wire.h"

#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace bench {

namespace {

struct DoneHeader {
  std::uint64_t operations;
  std::int64_t wall;
  std::uint64_t least;
  std::uint64_t most;
  std::uint64_t buckets;
  std::uint64_t error_bytes;
};

void send_all(int socket, const void* bytes, std::size_t count) {
  const auto* at = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t sent = ::send(socket, at, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw std::system_error(errno, std::generic_category(), "send");
    at += sent;
    count -= static_cast<std::size_t>(sent);
  }
}

/// False: the other side has gone.
bool receive_all(int socket, void* bytes, std::size_t count) {
  auto* at = static_cast<char*>(bytes);
  while (count > 0) {
    const ssize_t received = ::recv(socket, at, count, MSG_WAITALL);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return false;
    at += received;
    count -= static_cast<std::size_t>(received);
  }
  return true;
}

}  // namespace

void send_order(int socket, const Order& order) { send_all(socket, &order, sizeof order); }

std::optional<Order> receive_order(int socket) {
  Order order;
  if (!receive_all(socket, &order, sizeof order)) return std::nullopt;
  return order;
}

void send_done(int socket, const Done& done) {
  const auto buckets = done.times.buckets();
  const DoneHeader header = {
      .operations = done.operations,
      .wall = done.wall.count(),
      .least = static_cast<std::uint64_t>(done.times.least().count()),
      .most = static_cast<std::uint64_t>(done.times.most().count()),
      .buckets = buckets.size(),
      .error_bytes = done.error.size(),
  };
  send_all(socket, &header, sizeof header);
  send_all(socket, buckets.data(), buckets.size() * sizeof(Histogram::Bucket));
  send_all(socket, done.error.data(), done.error.size());
}

void send_error(int socket, const std::string& why) {
  Done done;
  done.error = why;
  send_done(socket, done);
}

Done receive_done(int socket) {
  const auto receive = [socket](void* bytes, std::size_t count) {
    if (!receive_all(socket, bytes, count)) throw std::runtime_error("its process has ended");
  };
  DoneHeader header;
  receive(&header, sizeof header);
  std::vector<Histogram::Bucket> buckets(header.buckets);
  receive(buckets.data(), buckets.size() * sizeof(Histogram::Bucket));
  Done done;
  done.error.resize(header.error_bytes);
  receive(done.error.data(), done.error.size());
  done.operations = header.operations;
  done.wall = std::chrono::nanoseconds(header.wall);
  if (!buckets.empty()) done.times = Histogram::of(buckets, header.least, header.most);
  return done;
}

}  // namespace bench
