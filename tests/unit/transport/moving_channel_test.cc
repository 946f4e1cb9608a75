#include "transport/moving_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <random>
#include <string>

#include "conformance/channels.h"

namespace tincan::transport {
namespace {

std::byte byte_at(std::uint64_t position) {
  return static_cast<std::byte>(position * 0x9E3779B97F4A7C15 >> 56);
}

Descriptor some_descriptor() { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

/// One end, which writes a stream that can be told by its positions and checks the one it reads.
/// Some writes carry descriptors; some of those are the mark behind which the stream goes to the
/// ring.
struct StreamEnd {
  explicit StreamEnd(MovingChannel& moving) : channel(moving) {}
  MovingChannel& channel;
  StreamEnd* peer = nullptr;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::deque<std::uint64_t> sets_sent;   ///< Positions whose byte has a descriptor.
  std::deque<std::uint64_t> marks_sent;  ///< Positions behind which it goes on in the ring.

  /// Writes up to `count` bytes, the first of them with a descriptor if asked. False: nothing fits.
  bool write(std::size_t count, bool with_descriptor) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) bytes[i] = byte_at(sent + i);
    std::vector<Descriptor> descriptors;
    if (with_descriptor) descriptors.push_back(some_descriptor());
    const auto written = channel.write(bytes, descriptors);
    if (!written) {
      EXPECT_EQ(written.error().code, EAGAIN);
      return false;
    }
    if (with_descriptor) sets_sent.push_back(sent);
    sent += *written;
    return true;
  }
  bool write_mark() {
    if (!write(1, true)) return false;
    marks_sent.push_back(sent - 1);
    channel.move_output();
    return true;
  }

  /// Reads once, and checks every byte and every descriptor. False: nothing was there.
  bool read(std::size_t bytes_max) {
    std::vector<std::byte> into(bytes_max);
    std::vector<Descriptor> descriptors;
    if (has_events(channel.fd(), POLLIN)) channel.socket_has_news();
    const auto read = channel.read(into, &descriptors);
    if (!read) {
      EXPECT_EQ(read.error().code, EAGAIN);
      return false;
    }
    EXPECT_GT(read->bytes, 0u);
    EXPECT_LE(descriptors.size(), 1u);
    for (std::size_t i = 0; i < read->bytes; ++i) {
      EXPECT_EQ(into[i], byte_at(received + i)) << "at " << received + i;
    }
    check_descriptors(received + read->bytes, descriptors.size());
    received += read->bytes;
    return true;
  }
  /// Those of a byte come no later than it, and not with the byte of another set.
  void check_descriptors(std::uint64_t end, std::size_t count) {
    const std::uint64_t set = peer->sets_sent.empty() ? UINT64_MAX : peer->sets_sent.front();
    EXPECT_EQ(count, set < end ? 1u : 0u) << "between " << received << " and " << end;
    if (set >= end) return;
    peer->sets_sent.pop_front();
    EXPECT_TRUE(peer->sets_sent.empty() || peer->sets_sent.front() >= end);
    if (!peer->marks_sent.empty() && peer->marks_sent.front() == set) {
      EXPECT_EQ(end, set + 1) << "bytes of the ring came with the mark";
      peer->marks_sent.pop_front();
      channel.move_input();
    }
  }
};

class MovingStreams : public ::testing::Test {
 protected:
  MovingStreams() {
    client_.peer = &server_;
    server_.peer = &client_;
  }
  void to_ring() {
    add_rings(*ends_.first, *ends_.second);
    ASSERT_TRUE(server_.write_mark());
    while (!client_.channel.reads_from_ring()) ASSERT_TRUE(client_.read(1000));
    ASSERT_TRUE(client_.write_mark());
    while (!server_.channel.reads_from_ring()) ASSERT_TRUE(server_.read(1000));
  }
  /// What their owners do between reads.
  void drop_rings() {
    for (MovingChannel* const end : {ends_.first.get(), ends_.second.get()}) {
      if (end->is_ring_over()) end->drop_ring();
    }
  }
  void settle() {
    for (bool more = true; more;) {
      (void)client_.channel.flush();
      (void)server_.channel.flush();
      more = client_.read(1000);
      more = server_.read(1000) || more || client_.channel.is_returning();
      drop_rings();
    }
    EXPECT_EQ(client_.received, server_.sent);
    EXPECT_EQ(server_.received, client_.sent);
  }

  std::pair<std::unique_ptr<MovingChannel>, std::unique_ptr<MovingChannel>> ends_ = moving_pair();
  StreamEnd client_{*ends_.first};
  StreamEnd server_{*ends_.second};
};

TEST_F(MovingStreams, GoToTheRingBehindTheirMarks) {
  client_.write(100, false);
  server_.write(100, false);
  to_ring();
  client_.write(100, false);
  server_.write(100, false);
  settle();
  EXPECT_TRUE(client_.channel.writes_to_ring() && client_.channel.reads_from_ring());
}

TEST_F(MovingStreams, ComeBackToTheSocketWhenTheServerRevokes) {
  to_ring();
  client_.write(5000, false);
  server_.write(5000, false);
  server_.channel.revoke();
  client_.write(300, true);  // it does not know yet
  client_.write(300, false);
  settle();
  EXPECT_FALSE(client_.channel.has_ring());
  EXPECT_FALSE(server_.channel.has_ring());
  client_.write(100, true);
  server_.write(100, true);
  settle();
}

TEST_F(MovingStreams, SendAgainWhatTheRevokerDidNotRead) {
  to_ring();
  while (server_.read(1 << 20)) {
  }
  server_.channel.revoke();
  ASSERT_TRUE(client_.write(200, true));
  EXPECT_FALSE(client_.write(200, false)) << "it has heard of the revoke";
  settle();
  client_.write(10, false);
  settle();
}

TEST_F(MovingStreams, LeaveNoMemoryToTheServerThoughTheClientSleeps) {
  to_ring();
  settle();
  server_.channel.revoke();
  EXPECT_TRUE(server_.channel.flush());
  while (server_.read(1000)) {
  }
  EXPECT_TRUE(server_.channel.is_ring_over());
  server_.channel.drop_ring();
  EXPECT_EQ(server_.channel.doorbell_fd(), -1);
  EXPECT_EQ(server_.channel.capacity_bytes(), 0u);
  client_.write(1000, true);
  settle();
  EXPECT_FALSE(server_.channel.has_ring());
}

// A loop that was held up may find the ring idle before it has read that the client has moved.
TEST_F(MovingStreams, LoseNothingWhenTheServerRevokesBeforeItHasReadTheMark) {
  for (const bool writes : {false, true}) {
    add_rings(*ends_.first, *ends_.second);
    ASSERT_TRUE(server_.write_mark());
    while (!client_.channel.reads_from_ring()) ASSERT_TRUE(client_.read(1000));
    ASSERT_TRUE(client_.write_mark());
    if (writes) client_.write(300, true);
    server_.channel.revoke();
    drop_rings();
    if (writes) client_.write(300, false);
    settle();
    EXPECT_FALSE(server_.channel.has_ring());
    EXPECT_FALSE(client_.channel.has_ring());
  }
}

TEST_F(MovingStreams, EndBehindWhatWasSentAgain) {
  to_ring();
  settle();
  server_.channel.revoke();
  ASSERT_TRUE(client_.write(1000, false));
  EXPECT_TRUE(server_.channel.flush());
  while (server_.read(1000)) {
  }
  client_.channel.socket_has_news();
  while (client_.read(1000)) {
  }
  EXPECT_TRUE(client_.channel.flush());
  ends_.first.reset();
  while (server_.received < client_.sent) ASSERT_TRUE(server_.read(1000));
  std::vector<std::byte> into(10);
  const auto end = server_.channel.read(into, nullptr);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->bytes, 0u);
}

// Promise 2: nothing is lost, doubled, reordered or changed while it moves there and back.
TEST_F(MovingStreams, KeepTheirOrderHoweverTheyMove) {
  std::minstd_rand random(1);
  const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
  unsigned moves = 0;
  unsigned larger = 0;
  std::size_t last_bytes = 0;
  bool client_follows = false;
  for (unsigned step = 0; step < 60'000 && !HasFailure(); ++step) {
    StreamEnd& end = chance(50) ? client_ : server_;
    if (chance(50)) {
      end.write(1 + random() % (chance(5) ? 100'000 : 2'000), chance(10));
    } else {
      end.read(1 + random() % (chance(50) ? 300'000 : 3'000));
    }
    if (chance(5)) (void)end.channel.flush();
    drop_rings();
    if (!chance(2)) continue;
    if (!client_.channel.has_ring() && !server_.channel.has_ring()) {
      // Often a larger one than the last.
      const std::size_t bytes = ring::capacity_bytes_min << (last_bytes > 0 && chance(50) ? 2 : 0);
      larger += bytes > last_bytes && last_bytes > 0;
      last_bytes = bytes;
      add_rings(*ends_.first, *ends_.second, bytes);
      while (!server_.write_mark()) client_.read(10'000);
      client_follows = true;
      ++moves;
    } else if (client_follows && server_.marks_sent.empty()) {
      client_follows = !client_.write_mark();
    } else if (server_.channel.writes_to_ring()) {
      server_.channel.revoke();
    }
  }
  settle();
  EXPECT_GT(moves, 50u);
  EXPECT_GT(larger, 10u);
}

}  // namespace
}  // namespace tincan::transport
