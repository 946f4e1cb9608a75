#include "tincan/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "support/process.h"
#include "tincan/method.h"

namespace tincan {
namespace {

using namespace std::chrono_literals;
using test::patience;
using test::Process;

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd"), end;
  return static_cast<std::size_t>(std::distance(all, end));
}

class StreamPair : public ::testing::Test {
 protected:
  Result<Received> read(std::size_t descriptors_max = 0) {
    return there_.read(buffer_, descriptors_max, patience);
  }
  [[nodiscard]] std::string text(const Received& received) const {
    return std::string(text_of({buffer_, received.bytes}));
  }
  static std::vector<Descriptor> descriptors(int count) {
    std::vector<Descriptor> all;
    for (int i = 0; i < count; ++i) all.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return all;
  }

  std::pair<Stream, Stream> pair_ = std::move(*Stream::pair());
  Stream& here_ = pair_.first;
  Stream& there_ = pair_.second;
  std::byte buffer_[64];
};

TEST_F(StreamPair, CarriesBytesBothWays) {
  ASSERT_TRUE(here_.write("ping"));
  EXPECT_EQ(text(*read()), "ping");
  ASSERT_TRUE(there_.write("pong"));
  const auto received = here_.read(buffer_, patience);
  EXPECT_EQ(text(*received), "pong");
  EXPECT_FALSE(received->end);
  EXPECT_TRUE(here_.write(""));
}

TEST_F(StreamPair, ReadsTheEndAfterAHalfCloseAndStillWrites) {
  ASSERT_TRUE(here_.write("last"));
  ASSERT_TRUE(here_.finish());
  EXPECT_EQ(text(*read()), "last");
  EXPECT_TRUE(read()->end);
  EXPECT_TRUE(read()->end);
  ASSERT_TRUE(there_.write("answer"));
  EXPECT_EQ(text(*here_.read(buffer_, patience)), "answer");
  const auto more = here_.write("more");
  EXPECT_EQ(more.error().cause(), Cause::closed);
  EXPECT_EQ(more.error().outcome(), Outcome::not_sent);
}

TEST_F(StreamPair, ReadsEverythingOfAPeerThatLeftOurBytesUnread) {
  ASSERT_TRUE(here_.write("unread"));
  ASSERT_TRUE(there_.write("its last words"));
  there_.close();
  EXPECT_EQ(text(*here_.read(buffer_, patience)), "its last words");
  const auto end = here_.read(buffer_, patience);
  EXPECT_TRUE(end->end);
  EXPECT_TRUE(end->reset);
}

TEST_F(StreamPair, ReadsAPlainEndOfAPeerThatHasReadAll) {
  ASSERT_TRUE(here_.write("read"));
  EXPECT_EQ(text(*read()), "read");
  there_.close();
  const auto end = here_.read(buffer_, patience);
  EXPECT_TRUE(end->end);
  EXPECT_FALSE(end->reset);
}

TEST_F(StreamPair, WritingToOneThatLeftIsNoSignal) {
  there_.close();
  EXPECT_EQ(here_.write("x").error().cause(), Cause::closed);
}

TEST_F(StreamPair, ReadEndsAtItsDeadline) {
  EXPECT_EQ(here_.read(buffer_, 10ms).error().cause(), Cause::deadline);
  EXPECT_EQ(here_.read(buffer_, 0ms).error().cause(), Cause::deadline);
  EXPECT_EQ(here_.read(buffer_, -1ms).error().cause(), Cause::deadline);
  ASSERT_TRUE(there_.write("x"));
  EXPECT_EQ(here_.read(buffer_, 0ms)->bytes, 1u);
}

TEST_F(StreamPair, WriteEndsAtItsDeadlineAndSaysHowFarItGot) {
  const std::string much(4 << 20, 'x');
  const auto written = here_.write(much, 10ms);
  EXPECT_EQ(written.error().cause(), Cause::deadline);
  EXPECT_EQ(written.error().outcome(), Outcome::unknown);
  const auto none = here_.write("y", 10ms);
  EXPECT_EQ(none.error().outcome(), Outcome::not_sent);
  EXPECT_NE(none.error().detail().find("0 of 1 bytes"), std::string::npos);
  std::size_t arrived = 0;
  while (const auto got = there_.read(buffer_, 0ms)) arrived += got->bytes;
  EXPECT_NE(written.error().detail().find(std::to_string(arrived) + " of 4194304"),
            std::string::npos);
}

TEST_F(StreamPair, RefusesWrongArguments) {
  EXPECT_EQ(here_.read({}, patience).error().cause(), Cause::usage);
  EXPECT_EQ(here_.write(std::span<const std::byte>(), patience, descriptors(1)).error().cause(),
            Cause::usage);
  EXPECT_EQ(here_.write(bytes_of("x"), patience, descriptors(254)).error().cause(),
            Cause::too_large);
  EXPECT_EQ(Stream::adopt(Descriptor(::open("/dev/null", O_RDONLY))).error().cause(), Cause::usage);
}

TEST_F(StreamPair, AfterCloseEverythingIsClosed) {
  here_.close();
  here_.close();
  EXPECT_EQ(here_.read(buffer_).error().cause(), Cause::closed);
  EXPECT_EQ(here_.write("x").error().cause(), Cause::closed);
  EXPECT_EQ(here_.finish().error().cause(), Cause::closed);
  EXPECT_EQ(here_.peer().pidfd().error().cause(), Cause::closed);
  EXPECT_EQ(here_.fd(), -1);
}

TEST_F(StreamPair, CarriesDescriptors) {
  for (const int count : {1, 3, 253}) {
    ASSERT_TRUE(here_.write(bytes_of("x"), patience, descriptors(count)));
    const auto received = read(253);
    ASSERT_TRUE(received);
    ASSERT_EQ(received->descriptors.size(), static_cast<std::size_t>(count));
    for (const Descriptor& descriptor : received->descriptors) {
      EXPECT_EQ(::fcntl(descriptor.get(), F_GETFD), FD_CLOEXEC);
    }
  }
}

TEST_F(StreamPair, DropsDescriptorsThatNobodyAskedFor) {
  const std::size_t before = open_descriptors();
  ASSERT_TRUE(here_.write(bytes_of("x"), patience, descriptors(3)));
  EXPECT_TRUE(read()->descriptors.empty());
  ASSERT_TRUE(here_.write(bytes_of("x"), patience, descriptors(3)));
  EXPECT_EQ(read(2).error().cause(), Cause::exhausted);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(StreamPair, ClosesAllDescriptorsWhenThereIsNoRoomForSome) {
  auto child = Process::fork([&] {
    if (!here_.adopt(Descriptor(::dup(here_.fd())))) return 1;
    const auto sent = Stream::pair();
    auto mine = std::move(*Stream::pair());
    if (!mine.first.write(bytes_of("x"), patience, descriptors(8))) return 2;
    const std::size_t before = open_descriptors();
    const rlimit few{before + 2, before + 2};
    ::setrlimit(RLIMIT_NOFILE, &few);
    const auto received = mine.second.read(buffer_, 8, patience);
    if (received || received.error().cause() != Cause::exhausted) return 3;
    return open_descriptors() == before ? 0 : 4;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(StreamPair, IgnoresOutOfBandBytes) {
  ASSERT_EQ(::send(here_.fd(), "!", 1, MSG_OOB), 1);
  EXPECT_EQ(there_.read(buffer_, 10ms).error().cause(), Cause::deadline);
  ASSERT_TRUE(here_.write("abc"));
  EXPECT_EQ(text(*read()), "abc");
  EXPECT_EQ(::send(here_.fd(), "d!", 2, MSG_OOB), 2);
  ASSERT_TRUE(here_.write("ef"));
  std::string all = text(*read());
  while (all.size() < 3) all += text(*read());
  EXPECT_EQ(all, "def");
}

TEST_F(StreamPair, LeavesTheSharedFlagsAlone) {
  for (const int flags : {O_RDWR, O_RDWR | O_NONBLOCK}) {
    Descriptor copy(::dup(here_.fd()));
    ::fcntl(copy.get(), F_SETFL, flags);
    auto adopted = Stream::adopt(std::move(copy));
    ASSERT_TRUE(adopted);
    EXPECT_EQ(adopted->read(buffer_, 5ms).error().cause(), Cause::deadline);
    EXPECT_EQ(::fcntl(here_.fd(), F_GETFL), flags);
    EXPECT_TRUE(adopted->peer().inherited());
  }
}

TEST_F(StreamPair, IsDeadInAForkedChild) {
  auto child = Process::fork([&] {
    const bool dead = here_.read(buffer_).error().cause() == Cause::forked &&
                      here_.write("x").error().cause() == Cause::forked &&
                      here_.finish().error().cause() == Cause::forked;
    return dead ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
  ASSERT_TRUE(here_.write("still here"));
  EXPECT_EQ(text(*read()), "still here");
}

}  // namespace
}  // namespace tincan
