#include "transport/ring_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <string>

#include "os/socket.h"

namespace tincan::transport {
namespace {

/// An honest channel, and a peer that may do what it likes: `words` are its words, `socket` is its
/// end of the socket.
class RingChannelAndLiar : public ::testing::Test {
 protected:
  RingChannelAndLiar() {
    auto pair = os::stream_socket_pair();
    auto made = RingMemory::make(ring::capacity_bytes_min);
    auto taken = RingMemory::take(std::move(made->files), ring::capacity_bytes_min);
    memory_.emplace(std::move(made->memory));
    end_.emplace(memory_->end());
    socket_.emplace(std::move(pair->first));
    peer_socket_ = std::move(pair->second);
    os::Doorbell ours = *os::Doorbell::create();
    hears_ = Descriptor(::dup(ours.listening_end()));
    os::Doorbell theirs = *os::Doorbell::create();
    os::DoorbellListener listener(Descriptor(::dup(theirs.listening_end())));
    beside_.emplace(*socket_);
    channel_.emplace(*beside_, socket_->fd(), std::move(*taken), std::move(ours),
                     std::move(listener));
  }

  ring::Words& words() { return memory_->words(); }
  void publish(std::string_view text) {
    EXPECT_EQ(end_->write(std::as_bytes(std::span(text))), text.size());
    (void)end_->publish();
  }
  /// Sends a control frame, as it stands or cut.
  void send(wire::FrameHeader header, std::size_t descriptors, std::size_t bytes = 16) {
    std::vector<int> numbers(descriptors, 0);
    const auto whole = std::as_bytes(std::span(&header, 1));
    EXPECT_EQ(os::send(peer_socket_.get(), whole.first(bytes), numbers, os::Mode::do_not_wait),
              bytes);
    beside_->has_news();
  }
  static wire::FrameHeader carrier(std::uint16_t descriptors, std::uint64_t position) {
    return {.body_bytes = 0,
            .kind = wire::Kind::upgrade,
            .flags = 0,
            .descriptors = descriptors,
            .id = position};
  }
  os::Sys<Channel::Read> read() {
    std::vector<std::byte> into(1000);
    auto result = channel_->read(into, &descriptors_);
    if (result) text_.assign(reinterpret_cast<const char*>(into.data()), result->bytes);
    return result;
  }
  bool is_rung() {
    char ring;
    return ::read(hears_.get(), &ring, 1) == 1;
  }

  std::optional<RingMemory> memory_;
  std::optional<SocketChannel> socket_;
  std::optional<RingSocket> beside_;
  Descriptor peer_socket_;
  Descriptor hears_;
  std::optional<RingChannel> channel_;
  std::optional<ring::End> end_;
  std::vector<Descriptor> descriptors_;
  std::string text_;
};

TEST_F(RingChannelAndLiar, RingsOnlyAPeerThatSleeps) {
  const std::byte byte[1] = {};
  ASSERT_TRUE(channel_->write(byte, {}));
  EXPECT_FALSE(is_rung());
  std::byte taken[1];
  EXPECT_EQ(end_->read(taken), 1u);
  ASSERT_TRUE(end_->fall_asleep(ring::sleeps_for_bytes));
  ASSERT_TRUE(channel_->write(byte, {}));
  EXPECT_TRUE(is_rung());
}

TEST_F(RingChannelAndLiar, RingsAPeerThatSleepsForRoomWhenItHasRead) {
  publish(std::string(ring::capacity_bytes_min, 'x'));
  ASSERT_TRUE(end_->fall_asleep(ring::sleeps_for_room));
  ASSERT_TRUE(read());
  EXPECT_TRUE(is_rung());
}

TEST_F(RingChannelAndLiar, MakesNoSystemCallWhileBothAreAwake) {
  socket_->~SocketChannel();  // any use of it would fail from here on
  new (&*socket_) SocketChannel(Descriptor());
  publish("hello");
  ASSERT_TRUE(read());
  EXPECT_EQ(text_, "hello");
  const std::byte byte[1] = {};
  EXPECT_TRUE(channel_->write(byte, {}));
}

TEST_F(RingChannelAndLiar, TakesDescriptorsThatOvertookTheirByte) {
  send(carrier(2, 0), 2);
  EXPECT_EQ(read().error().code, EAGAIN);
  EXPECT_TRUE(descriptors_.empty());
  end_->announce_descriptors();
  publish("abc");
  ASSERT_TRUE(read());
  EXPECT_EQ(text_, "abc");
  EXPECT_EQ(descriptors_.size(), 2u);
}

TEST_F(RingChannelAndLiar, SeesTheEndBehindDescriptorsWhoseByteNeverCame) {
  send(carrier(1, 0), 1);
  peer_socket_.reset();
  const auto end = read();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->bytes, 0u);
}

TEST_F(RingChannelAndLiar, ReadsTheRingToItsEndAlthoughTheSocketHasEnded) {
  publish("last words");
  peer_socket_.reset();
  beside_->has_news();
  ASSERT_TRUE(read());
  EXPECT_EQ(text_, "last words");
  EXPECT_EQ(read()->bytes, 0u);
}

TEST_F(RingChannelAndLiar, SaysWhetherThereIsMoreToBeRead) {
  publish(std::string(1001, 'x'));
  EXPECT_TRUE(read()->more);
  EXPECT_FALSE(read()->more);
  publish("last words");
  peer_socket_.reset();
  beside_->has_news();
  EXPECT_TRUE(read()->more) << "its end";
}

TEST_F(RingChannelAndLiar, SaysThatThereIsMoreBehindTheNextDescriptors) {
  publish("abc");
  send(carrier(1, 3), 1);
  end_->announce_descriptors();
  publish("def");
  EXPECT_TRUE(read()->more);
  EXPECT_EQ(text_, "abc");
  EXPECT_FALSE(read()->more);
  EXPECT_EQ(text_, "def");
}

/// What is fetched ahead changes nothing, whatever the other side says.
TEST_F(RingChannelAndLiar, FetchesAheadWithoutBelieving) {
  const std::byte byte[1] = {};
  ASSERT_TRUE(channel_->write(byte, {}));
  channel_->fetch_ahead();
  publish("abc");
  ASSERT_TRUE(channel_->is_readable());
  channel_->fetch_ahead();
  words().produced.store(UINT64_MAX);
  channel_->fetch_ahead();
  ASSERT_TRUE(read());
  EXPECT_EQ(text_, "abc");
  EXPECT_EQ(read().error().code, EPROTO);
}

TEST_F(RingChannelAndLiar, TakesAControlFrameInPieces) {
  send(carrier(1, 0), 1, 5);
  EXPECT_EQ(read().error().code, EAGAIN);
  const wire::FrameHeader header = carrier(1, 0);
  const auto rest = std::as_bytes(std::span(&header, 1)).subspan(5);
  ASSERT_EQ(os::send(peer_socket_.get(), rest, os::Mode::do_not_wait), rest.size());
  beside_->has_news();
  end_->announce_descriptors();
  publish("a");
  ASSERT_TRUE(read());
  EXPECT_EQ(descriptors_.size(), 1u);
}

TEST_F(RingChannelAndLiar, CallsDescriptorsThatWereAnnouncedAndNotSentABreach) {
  end_->announce_descriptors();
  publish("abc");
  EXPECT_EQ(read().error().code, EPROTO);
}

TEST_F(RingChannelAndLiar, CallsTwoSetsThatWereNotAnnouncedABreach) {
  send(carrier(1, 0), 1);
  send(carrier(1, 1), 1);
  EXPECT_EQ(read().error().code, EPROTO);
}

// The second would stay on the socket, which is readable for ever then though nobody takes it.
TEST_F(RingChannelAndLiar, CallsTwoSetsForBytesThatAreNotPublishedABreach) {
  words().descriptor_sets.store(2);
  send(carrier(1, 10), 1);
  send(carrier(1, 20), 1);
  EXPECT_EQ(read().error().code, EPROTO);
}

TEST_F(RingChannelAndLiar, CallsTwoSetsForOneByteABreach) {
  send(carrier(1, 0), 1);
  end_->announce_descriptors();
  publish("a");
  send(carrier(1, 0), 1);
  EXPECT_EQ(read().error().code, EPROTO);
}

TEST_F(RingChannelAndLiar, CallsSetsForBytesThatHaveBeenReadABreach) {
  publish("abc");
  ASSERT_TRUE(read());
  send(carrier(1, 0), 1);
  EXPECT_EQ(read().error().code, EPROTO);
}

TEST_F(RingChannelAndLiar, CallsAnotherNumberOfDescriptorsABreach) {
  send(carrier(3, 0), 2);
  EXPECT_EQ(read().error().code, EPROTO);
}

TEST_F(RingChannelAndLiar, CountsHowOftenARingWasFilled) {
  const std::string text(ring::capacity_bytes_min, 'x');
  const auto bytes = std::as_bytes(std::span(text));
  std::vector<std::byte> taken(text.size());
  for (std::uint32_t round = 1; round <= 5; ++round) {
    publish(text);
    while (read()) {
    }
    EXPECT_EQ(channel_->fills(), 2 * round - 1);
    ASSERT_EQ(channel_->write(bytes, {}), bytes.size());
    EXPECT_EQ(channel_->write(bytes, {}).error().code, EAGAIN);
    EXPECT_EQ(channel_->fills(), 2 * round);
    EXPECT_EQ(end_->read(taken), bytes.size());
    (void)end_->release();
  }
}

// A larger one would be full as well, and what is in it would only be older.
TEST_F(RingChannelAndLiar, CountsARingThatStaysFullOnce) {
  const std::string text(ring::capacity_bytes_min, 'x');
  const auto bytes = std::as_bytes(std::span(text));
  publish(text);
  ASSERT_EQ(channel_->write(bytes, {}), bytes.size());
  for (int round = 0; round < 1000; ++round) {
    ASSERT_TRUE(read());
    publish(std::string(text_.size(), 'x'));
    EXPECT_EQ(channel_->write(bytes, {}).error().code, EAGAIN);
    std::byte taken[1000];
    const std::size_t count = end_->read(taken);
    (void)end_->release();
    ASSERT_EQ(channel_->write(bytes, {}), count);
  }
  EXPECT_EQ(channel_->fills(), 2u);
}

TEST_F(RingChannelAndLiar, CallsOtherFramesOnTheSocketABreach) {
  send({.body_bytes = 0, .kind = wire::Kind::ping, .flags = 0, .descriptors = 0, .id = 0}, 0);
  EXPECT_EQ(read().error().code, EPROTO);
}

TEST_F(RingChannelAndLiar, CallsPositionsThatCannotBeABreach) {
  words().produced.store(2 * ring::capacity_bytes_min);
  EXPECT_EQ(read().error().code, EPROTO);
}

TEST_F(RingChannelAndLiar, CallsRoomThatCannotBeABreach) {
  const std::vector<std::byte> text(ring::capacity_bytes_min);
  ASSERT_TRUE(channel_->write(text, {}));
  words().consumed.store(ring::capacity_bytes_min + 1);
  EXPECT_EQ(channel_->write(text, {}).error().code, EPROTO);
}

}  // namespace
}  // namespace tincan::transport
