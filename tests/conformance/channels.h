#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "os/socket.h"
#include "transport/ring_channel.h"
#include "transport/socket_channel.h"

/// How the suite gets both ends of each kind of channel, and how it waits for one.
namespace tincan::transport {

using Ends = std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>>;

inline bool has_events(int descriptor, short events) {
  pollfd entry{descriptor, events, 0};
  EXPECT_GE(::poll(&entry, 1, 0), 0);
  return (entry.revents & (events | POLLHUP)) != 0;
}

struct Sockets {
  static constexpr bool knows_at_once_that_the_peer_is_gone = true;
  static Ends make() {
    auto pair = os::stream_socket_pair();
    EXPECT_TRUE(pair);
    return {std::make_unique<SocketChannel>(std::move(pair->first)),
            std::make_unique<SocketChannel>(std::move(pair->second))};
  }
  static bool poll_for(Channel& channel, short events) { return has_events(channel.fd(), events); }
  static void notice(Channel&) {}
};

/// A ring channel and the socket that it stands beside.
class RingEnd final : public Channel {
 public:
  RingEnd(Descriptor socket, RingMemory memory, os::Doorbell ours, int theirs)
      : socket_(std::move(socket)),
        ring_(socket_, std::move(memory), std::move(ours),
              os::DoorbellListener(Descriptor(::dup(theirs)))) {}
  os::Sys<std::size_t> write(std::span<const std::byte> bytes,
                             std::span<const Descriptor> descriptors) override {
    return ring_.write(bytes, descriptors);
  }
  os::Sys<Read> read(std::span<std::byte> into, std::vector<Descriptor>* descriptors) override {
    return ring_.read(into, descriptors);
  }
  [[nodiscard]] int fd() const override { return ring_.fd(); }
  RingChannel& ring() { return ring_; }

 private:
  SocketChannel socket_;
  RingChannel ring_;
};

struct Rings {
  static constexpr bool knows_at_once_that_the_peer_is_gone = false;
  static Ends make() {
    auto pair = os::stream_socket_pair();
    auto made = RingMemory::make(ring::capacity_bytes_min);
    EXPECT_TRUE(pair && made);
    auto taken = RingMemory::take(std::move(made->files), ring::capacity_bytes_min);
    EXPECT_TRUE(taken) << taken.error();
    os::Doorbell here = *os::Doorbell::create();
    os::Doorbell there = *os::Doorbell::create();
    const int hears_here = here.listening_end();
    const int hears_there = there.listening_end();
    auto client = std::make_unique<RingEnd>(std::move(pair->first), std::move(made->memory),
                                            std::move(here), hears_there);
    auto server = std::make_unique<RingEnd>(std::move(pair->second), std::move(*taken),
                                            std::move(there), hears_here);
    return {std::move(client), std::move(server)};
  }
  static bool poll_for(Channel& channel, short events) {
    RingChannel& ring = static_cast<RingEnd&>(channel).ring();
    if (has_events(ring.fd(), POLLIN)) return true;
    const bool asleep =
        ring.fall_asleep(events == POLLIN ? ring::sleeps_for_bytes : ring::sleeps_for_room);
    ring.wake_up();
    return !asleep;
  }
  static void notice(Channel& channel) {
    if (has_events(channel.fd(), POLLIN)) static_cast<RingEnd&>(channel).ring().socket_has_news();
  }
};

}  // namespace tincan::transport
