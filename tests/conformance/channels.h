#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "os/socket.h"
#include "transport/moving_channel.h"
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

/// Both ends of a connection with a ring beside it, which neither direction uses yet.
inline std::pair<std::unique_ptr<MovingChannel>, std::unique_ptr<MovingChannel>> moving_pair() {
  auto pair = os::stream_socket_pair();
  EXPECT_TRUE(pair);
  return {std::make_unique<MovingChannel>(std::move(pair->first)),
          std::make_unique<MovingChannel>(std::move(pair->second))};
}
inline void add_rings(MovingChannel& client, MovingChannel& server,
                      std::size_t capacity_bytes = ring::capacity_bytes_min) {
  auto made = RingMemory::make(capacity_bytes);
  ASSERT_TRUE(made);
  auto taken = RingMemory::take(std::move(made->files), capacity_bytes);
  ASSERT_TRUE(taken) << taken.error();
  os::Doorbell of_client = *os::Doorbell::create();
  os::Doorbell of_server = *os::Doorbell::create();
  os::DoorbellListener client_hears(Descriptor(::dup(of_server.listening_end())));
  os::DoorbellListener server_hears(Descriptor(::dup(of_client.listening_end())));
  client.add_ring(std::move(made->memory), std::move(of_client), std::move(client_hears));
  server.add_ring(std::move(*taken), std::move(of_server), std::move(server_hears));
}

struct Rings {
  static constexpr bool knows_at_once_that_the_peer_is_gone = false;
  static Ends make() {
    auto [client, server] = moving_pair();
    add_rings(*client, *server);
    for (MovingChannel* const end : {client.get(), server.get()}) {
      end->move_input();
      end->move_output();
    }
    return {std::move(client), std::move(server)};
  }
  static bool poll_for(Channel& channel, short events) {
    auto& end = static_cast<MovingChannel&>(channel);
    if (has_events(end.fd(), POLLIN) || (events == POLLIN && end.is_ring_readable())) return true;
    if (events == POLLIN) return false;
    const bool asleep = end.fall_asleep(false, true);
    end.wake_up();
    return !asleep;
  }
  static void notice(Channel& channel) {
    if (has_events(channel.fd(), POLLIN)) static_cast<MovingChannel&>(channel).socket_has_news();
  }
};

}  // namespace tincan::transport
