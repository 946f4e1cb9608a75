#pragma once

#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "ways/clock.h"
#include "ways/end.h"
#include "ways/opened.h"

/// Sides of connections over sockets that block.
namespace bench {

/// Read ahead by streams of messages, and written at once: docs/performance.md found them best.
inline constexpr std::size_t read_ahead_bytes = 256 * 1024;
inline constexpr std::size_t socket_batch_bytes = 32 * 1024;
inline constexpr std::int64_t socket_look_nanoseconds = 50'000;

/// One send(2) a message, and one recv(2) unless messages are read ahead.
class SocketEnd : public End {
 public:
  SocketEnd(Descriptor socket, const Task& task, bool is_stream)
      : socket_(std::move(socket)),
        room_(is_stream && task.work == Work::one_way ? std::max(read_ahead_bytes, task.bytes)
                                                      : task.bytes),
        is_stream_(is_stream) {}

  void send(std::span<const std::byte> message) override {
    while (!message.empty()) {
      const ssize_t sent = ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      demand(sent > 0, "send");
      message = message.subspan(static_cast<std::size_t>(sent));
    }
  }

  std::span<const std::byte> receive(std::size_t bytes) override {
    if (!is_stream_) begin_ = end_ = 0;
    while (end_ - begin_ < bytes) {
      if (begin_ + bytes > room_.size()) move_to_front();
      const ssize_t count = read(std::span(room_).subspan(end_));
      if (count == 0) return {};
      end_ += static_cast<std::size_t>(count);
      if (!is_stream_) return std::span(room_).first(end_);
    }
    begin_ += bytes;
    return std::span(room_).subspan(begin_ - bytes, bytes);
  }

  [[nodiscard]] const Descriptor& socket() const { return socket_; }
  /// Whether there is something of the next message that need not be waited for.
  [[nodiscard]] bool has_unread() const { return end_ > begin_; }

 protected:
  /// At least one byte; none at the end.
  virtual ssize_t read(std::span<std::byte> room) {
    ssize_t count;
    while ((count = ::recv(socket_.get(), room.data(), room.size(), 0)) < 0 && errno == EINTR) {
    }
    if (count < 0 && errno == ECONNRESET) return 0;
    demand(count >= 0, "recv");
    return count;
  }

 private:
  void move_to_front() {
    std::memmove(room_.data(), room_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }

  const Descriptor socket_;
  std::vector<std::byte> room_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  const bool is_stream_;
};

/// Copies messages together.
class BatchedEnd final : public SocketEnd {
 public:
  BatchedEnd(Descriptor socket, const Task& task) : SocketEnd(std::move(socket), task, true) {
    batch_.reserve(socket_batch_bytes + task.bytes);
  }
  void send(std::span<const std::byte> message) override {
    batch_.insert(batch_.end(), message.begin(), message.end());
    if (batch_.size() >= socket_batch_bytes) flush();
  }
  void flush() override {
    SocketEnd::send(batch_);
    batch_.clear();
  }

 private:
  std::vector<std::byte> batch_;
};

/// Where each side runs, in memory that both have: a raw program would put it into its messages.
struct Whereabouts {
  std::atomic<int> client_cpu = -1;
  std::atomic<int> server_cpu = -1;
};

/// Looks whether something has come before it sleeps.
class LookingEnd final : public SocketEnd {
 public:
  LookingEnd(Descriptor socket, const Task& task, std::atomic<int>& own,
             const std::atomic<int>& peers)
      : SocketEnd(std::move(socket), task, true), own_(own), peers_(peers) {}
  void send(std::span<const std::byte> message) override {
    own_.store(::sched_getcpu(), std::memory_order_relaxed);
    SocketEnd::send(message);
  }

 protected:
  ssize_t read(std::span<std::byte> room) override {
    if (peers_.load(std::memory_order_relaxed) == ::sched_getcpu()) return SocketEnd::read(room);
    const std::int64_t end = now() + socket_look_nanoseconds;
    do {
      const ssize_t count = ::recv(socket().get(), room.data(), room.size(), MSG_DONTWAIT);
      if (count >= 0) return count;
    } while (now() < end);
    return SocketEnd::read(room);
  }

 private:
  std::atomic<int>& own_;
  const std::atomic<int>& peers_;
};

/// What does not fit is dropped: streams of datagrams wait for a word every few messages.
class UdpEnd final : public SocketEnd {
 public:
  UdpEnd(Descriptor socket, const Task& task, bool is_server)
      : SocketEnd(std::move(socket), task, false), is_server_(is_server) {
    if (task.work == Work::one_way) {
      window_ = std::clamp<std::size_t>(64 * 1024 / task.bytes, 1, 16);
    }
  }
  void send(std::span<const std::byte> message) override {
    SocketEnd::send(message);
    if (is_server_ || !is_window_full()) return;
    [[maybe_unused]] const auto word = SocketEnd::receive(1);
  }
  std::span<const std::byte> receive(std::size_t bytes) override {
    const auto message = SocketEnd::receive(bytes);
    static constexpr std::byte word{};
    if (is_server_ && is_window_full()) SocketEnd::send(std::span(&word, 1));
    return message;
  }

 private:
  bool is_window_full() { return window_ > 0 && ++messages_ % window_ == 0; }

  const bool is_server_;
  std::size_t window_ = 0;
  std::uint64_t messages_ = 0;
};

}  // namespace bench
