#include "transport/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conformance/channels.h"
#include "tincan/limits.h"

/// What every channel promises to the session above it. Another channel joins by one line in
/// `Channels`, with a maker of its own (channels.h).
namespace tincan::transport {
namespace {

using Channels = ::testing::Types<Sockets, Rings>;

std::string pattern(std::size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  for (char& character : text) {
    seed = seed * 1664525 + 1013904223;
    character = static_cast<char>(seed >> 24);
  }
  return text;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// A temporary file, by whose number the same open file is known again at the other side.
struct File {
  Descriptor descriptor{::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  [[nodiscard]] static ino_t number_of(const Descriptor& descriptor) {
    struct stat status;
    EXPECT_EQ(::fstat(descriptor.get(), &status), 0);
    return status.st_ino;
  }
  [[nodiscard]] ino_t number() const { return number_of(descriptor); }
  [[nodiscard]] std::vector<Descriptor> copies(std::size_t count) const {
    std::vector<Descriptor> list;
    for (std::size_t i = 0; i < count; ++i) list.push_back(*descriptor.duplicate());
    return list;
  }
};

template <class Maker>
class ChannelTest : public ::testing::Test {
 protected:
  void SetUp() override { std::tie(here_, there_) = Maker::make(); }

  std::string read(Channel& channel, std::size_t bytes_max = 1 << 20) {
    std::vector<std::byte> into(bytes_max);
    Maker::notice(channel);
    last_ = channel.read(into, &descriptors_);
    if (!last_) return "error";
    return {reinterpret_cast<const char*>(into.data()), last_->bytes};
  }
  bool poll_for(Channel& channel, short events) { return Maker::poll_for(channel, events); }
  /// Reads until nothing is there.
  std::string read_all(Channel& channel) {
    std::string all;
    for (;;) {
      const std::string part = read(channel);
      if (!last_ || last_->bytes == 0) return all;
      all += part;
    }
  }
  void write(Channel& channel, std::string_view text, std::span<const Descriptor> list = {}) {
    const auto written = channel.write(bytes_of(text), list);
    ASSERT_TRUE(written);
    ASSERT_EQ(*written, text.size());
  }
  /// Writes until nothing fits; returns how much did.
  std::size_t fill(Channel& channel, std::string_view text) {
    std::size_t count = 0;
    while (count < text.size()) {
      const auto written = channel.write(bytes_of(text.substr(count)), {});
      if (!written) {
        EXPECT_EQ(written.error().code, EAGAIN);
        return count;
      }
      EXPECT_GT(*written, 0u);
      count += *written;
    }
    return count;
  }

  std::unique_ptr<Channel> here_;
  std::unique_ptr<Channel> there_;
  std::vector<Descriptor> descriptors_;
  os::Sys<Channel::Read> last_;
};

TYPED_TEST_SUITE(ChannelTest, Channels);

TYPED_TEST(ChannelTest, HasNothingToReadAtFirst) {
  this->read(*this->there_);
  ASSERT_FALSE(this->last_);
  EXPECT_EQ(this->last_.error().code, EAGAIN);
  EXPECT_FALSE(this->poll_for(*this->there_, POLLIN));
  EXPECT_TRUE(this->poll_for(*this->there_, POLLOUT));
}

TYPED_TEST(ChannelTest, CarriesBytesBothWays) {
  this->write(*this->here_, "there");
  this->write(*this->there_, "back");
  EXPECT_TRUE(this->poll_for(*this->there_, POLLIN));
  EXPECT_EQ(this->read(*this->there_), "there");
  EXPECT_EQ(this->read(*this->here_), "back");
  EXPECT_FALSE(this->poll_for(*this->there_, POLLIN));
}

TYPED_TEST(ChannelTest, KeepsTheOrderOfManySizes) {
  std::string sent;
  std::string received;
  for (unsigned i = 0; i < 300; ++i) {
    const std::string text = pattern(1 + i * i * 31 % 40'000, i);
    std::size_t count = 0;
    while (count < text.size()) {
      count += this->fill(*this->here_, std::string_view(text).substr(count));
      if (i % 3 == 0 || count < text.size())
        received += this->read(*this->there_, 1 + i * 777 % 9000);
    }
    sent += text;
  }
  received += this->read_all(*this->there_);
  EXPECT_TRUE(received == sent);
}

TYPED_TEST(ChannelTest, WritesWhatFitsAndSaysWhenNothingDoes) {
  const std::string text = pattern(4 << 20, 1);
  const std::size_t first = this->fill(*this->here_, text);
  ASSERT_GT(first, 0u);
  ASSERT_LT(first, text.size());
  EXPECT_FALSE(this->poll_for(*this->here_, POLLOUT));
  std::string received = this->read_all(*this->there_);
  EXPECT_TRUE(this->poll_for(*this->here_, POLLOUT));
  const std::size_t second = this->fill(*this->here_, std::string_view(text).substr(first));
  received += this->read_all(*this->there_);
  EXPECT_TRUE(received == text.substr(0, first + second));
}

TYPED_TEST(ChannelTest, ReadsOneByteAtATime) {
  const std::string text = pattern(1000, 2);
  this->write(*this->here_, text);
  std::string received;
  while (received.size() < text.size()) received += this->read(*this->there_, 1);
  EXPECT_EQ(received, text);
}

TYPED_TEST(ChannelTest, IsFullBothWaysWithoutHarm) {
  const std::string there = pattern(4 << 20, 3);
  const std::string back = pattern(4 << 20, 4);
  const std::size_t sent_there = this->fill(*this->here_, there);
  const std::size_t sent_back = this->fill(*this->there_, back);
  EXPECT_TRUE(this->read_all(*this->there_) == there.substr(0, sent_there));
  EXPECT_TRUE(this->read_all(*this->here_) == back.substr(0, sent_back));
}

TYPED_TEST(ChannelTest, EndsBehindWhatWasWritten) {
  this->write(*this->here_, "last words");
  this->here_.reset();
  EXPECT_EQ(this->read(*this->there_), "last words");
  EXPECT_EQ(this->read(*this->there_), "");
  ASSERT_TRUE(this->last_);
  EXPECT_EQ(this->last_->bytes, 0u);
  EXPECT_TRUE(this->poll_for(*this->there_, POLLIN));
}

TYPED_TEST(ChannelTest, RefusesToWriteToNobodyWithoutASignal) {
  this->here_.reset();
  if (!TypeParam::knows_at_once_that_the_peer_is_gone) this->read(*this->there_);
  const auto written = this->there_->write(bytes_of("x"), {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, EPIPE);
}

// F1, attack 11: what the peer said before it went is read, although it left ours unread.
TYPED_TEST(ChannelTest, GivesWhatThePeerSaidBeforeItWentWithOursUnread) {
  this->write(*this->there_, "a call it never reads");
  this->write(*this->here_, "reply 1");
  this->write(*this->here_, "reply 2");
  this->here_.reset();
  const auto written = this->there_->write(bytes_of("x"), {});
  EXPECT_NE(written.has_value(), TypeParam::knows_at_once_that_the_peer_is_gone);
  EXPECT_EQ(this->read_all(*this->there_), "reply 1reply 2");
  EXPECT_TRUE(this->last_ || this->last_.error().code == ECONNRESET);
}

TYPED_TEST(ChannelTest, CarriesDescriptorsWithTheFirstByteOfTheirWrite) {
  const File file;
  this->write(*this->here_, "abc", file.copies(2));
  EXPECT_EQ(this->read(*this->there_, 1), "a");
  ASSERT_EQ(this->descriptors_.size(), 2u);
  for (const Descriptor& descriptor : this->descriptors_) {
    EXPECT_EQ(File::number_of(descriptor), file.number());
    EXPECT_EQ(::fcntl(descriptor.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  }
  EXPECT_EQ(this->read(*this->there_), "bc");
  EXPECT_EQ(this->descriptors_.size(), 2u);
}

TYPED_TEST(ChannelTest, CarriesTheMostDescriptorsThereCanBe) {
  const File file;
  this->write(*this->here_, "x", file.copies(limits::message_descriptors_max));
  this->read(*this->there_);
  ASSERT_TRUE(this->last_);
  EXPECT_FALSE(this->last_->descriptors_lost);
  EXPECT_EQ(this->descriptors_.size(), 253u);
}

// F12: bytes before those of a write with descriptors may come along, bytes of a later one may not.
TYPED_TEST(ChannelTest, KeepsTheDescriptorsOfTwoWritesApart) {
  const File first;
  const File second;
  this->write(*this->here_, "plain");
  this->write(*this->here_, "one", first.copies(1));
  this->write(*this->here_, "two", second.copies(3));
  this->write(*this->here_, "after");
  std::string received;
  std::size_t first_at = 0;
  std::size_t second_at = 0;
  while (received.size() < 16) {
    const std::size_t before = this->descriptors_.size();
    const std::size_t from = received.size();
    received += this->read(*this->there_);
    ASSERT_TRUE(this->last_);
    const std::size_t came = this->descriptors_.size() - before;
    // At most one set a read, no later than the first byte of its write, and no byte of what was
    // written after it.
    if (came == 1) {
      first_at = from;
      EXPECT_LE(received.size(), 8u);
    } else if (came == 3) {
      second_at = from;
      EXPECT_GE(received.size(), 9u);
    } else {
      EXPECT_EQ(came, 0u);
    }
  }
  EXPECT_EQ(received, "plainonetwoafter");
  EXPECT_LE(first_at, 5u);
  EXPECT_LE(second_at, 8u);
  ASSERT_EQ(this->descriptors_.size(), 4u);
  EXPECT_EQ(File::number_of(this->descriptors_[0]), first.number());
  EXPECT_EQ(File::number_of(this->descriptors_[3]), second.number());
}

TYPED_TEST(ChannelTest, SendsDescriptorsOnceThoughTheirBytesFitOnlyInPart) {
  const File file;
  const std::string text = pattern(4 << 20, 5);
  const auto first = this->here_->write(bytes_of(text), file.copies(2));
  ASSERT_TRUE(first);
  ASSERT_LT(*first, text.size());
  std::string received = this->read_all(*this->there_);
  EXPECT_EQ(this->descriptors_.size(), 2u);
  const std::size_t more = this->fill(*this->here_, std::string_view(text).substr(*first));
  received += this->read_all(*this->there_);
  EXPECT_EQ(this->descriptors_.size(), 2u);
  EXPECT_TRUE(received == text.substr(0, *first + more));
}

TYPED_TEST(ChannelTest, DropsDescriptorsThatNobodyWants) {
  const File file;
  const int next_free = ::dup(0);
  ::close(next_free);
  this->write(*this->here_, "x", file.copies(5));
  std::vector<std::byte> into(10);
  const auto read = this->there_->read(into, nullptr);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bytes, 1u);
  const int still_free = ::dup(0);
  ::close(still_free);
  EXPECT_EQ(still_free, next_free);
}

TYPED_TEST(ChannelTest, KeepsNoDescriptorsOpenThatWereNeverRead) {
  // The write end of a pipe on its way keeps the pipe's reader waiting; dropped, it ends it.
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const Descriptor reader(ends[0]);
  {
    std::vector<Descriptor> list;
    list.emplace_back(ends[1]);
    this->write(*this->here_, "x", list);
  }
  char byte;
  EXPECT_EQ(::read(reader.get(), &byte, 1), -1);
  this->there_.reset();
  this->here_.reset();
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0);
}

}  // namespace
}  // namespace tincan::transport
