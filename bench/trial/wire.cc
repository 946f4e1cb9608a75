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

constexpr std::uint64_t error_bytes_max = 64 * 1024;

void check(const DoneHeader& header) {
  const bool is_small =
      header.buckets <= Histogram::buckets_max && header.error_bytes <= error_bytes_max;
  const bool has_times =
      header.buckets == 0 || (header.least <= header.most && header.most <= INT64_MAX);
  if (!is_small || !has_times) throw NoDone("its process says what makes no sense");
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
  done.error = why.substr(0, error_bytes_max);
  send_done(socket, done);
}

Done receive_done(int socket, const std::function<void()>& wait) {
  const auto receive = [&](void* bytes, std::size_t count) {
    auto* at = static_cast<char*>(bytes);
    while (count > 0) {
      const ssize_t received = ::recv(socket, at, count, MSG_DONTWAIT);
      if (received < 0 && errno == EINTR) continue;
      if (received < 0 && errno == EAGAIN) {
        wait();
        continue;
      }
      if (received <= 0) throw std::runtime_error("its process has ended");
      at += received;
      count -= static_cast<std::size_t>(received);
    }
  };
  DoneHeader header;
  receive(&header, sizeof header);
  check(header);
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
