#include "os/doorbell.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "os/poller.h"
#include "support/failing_calls.h"

namespace tincan::os {
namespace {

/// Both sides, and an epoll that watches as a loop does.
struct RungPair {
  Doorbell bell = *Doorbell::create();
  DoorbellListener listener{*Descriptor(::dup(bell.listening_end())).duplicate()};
  Poller poller = *Poller::create();
  RungPair() { EXPECT_TRUE(poller.add(listener.fd(), EPOLLIN | EPOLLET, nullptr)); }

  bool hears() {
    std::array<epoll_event, 4> events;
    return !poller.wait(events, Moment())->empty();
  }
};

TEST(Doorbell, WakesOnceForEachRing) {
  RungPair pair;
  EXPECT_FALSE(pair.hears());
  pair.bell.ring();
  EXPECT_TRUE(pair.hears());
  EXPECT_FALSE(pair.hears());
  pair.bell.ring();
  EXPECT_TRUE(pair.hears()) << "though the first ring is still in the pipe";
}

TEST(Doorbell, IsHeardHoweverOftenItWasRung) {
  RungPair pair;
  for (int i = 0; i < 200'000; ++i) {
    pair.bell.ring();
    ASSERT_TRUE(pair.hears()) << i;
    pair.listener.rung();
  }
}

TEST(Doorbell, NeverBlocksOrSignalsWhoRings) {
  RungPair pair;
  for (int i = 0; i < 100'000; ++i) pair.bell.ring();
  EXPECT_TRUE(pair.hears());
  Doorbell alone = *Doorbell::create();
  alone.ring();
}

// The listener goes away, and with it every end but the ringer's own.
TEST(Doorbell, RaisesNoSignalWhenNobodyListens) {
  Doorbell bell = *Doorbell::create();
  {
    const DoorbellListener listener(Descriptor(::dup(bell.listening_end())));
  }
  bell.ring();
}

TEST(Doorbell, IsEmptiedWithoutWaitingThoughTheRingerClearedNonBlocking) {
  RungPair pair;
  for (int i = 0; i < 4095; ++i) pair.listener.rung();
  const int flags = ::fcntl(pair.bell.listening_end(), F_GETFL);
  ASSERT_EQ(::fcntl(pair.bell.listening_end(), F_SETFL, flags & ~O_NONBLOCK), 0);
  ::alarm(5);  // a read(2) of the empty pipe would wait for ever
  pair.listener.rung();
  ::alarm(0);
  pair.bell.ring();
  EXPECT_TRUE(pair.hears());
}

TEST(Doorbell, IsThePipesReadingEndAndNothingElse) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor read(ends[0]);
  const Descriptor write(ends[1]);
  EXPECT_EQ(is_listening_end(read.get()), true);
  EXPECT_EQ(is_listening_end(write.get()), false);
  const Descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(is_listening_end(file.get()), false);
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(is_listening_end(socket.get()), false);
}

TEST(Poller, TellsADescriptorThatIsNone) {
  Poller poller = *Poller::create();
  EXPECT_EQ(poller.add(-1, EPOLLIN, nullptr).error().code, EBADF);
  EXPECT_EQ(poller.change(-1, EPOLLIN, nullptr).error().code, EBADF);
  EXPECT_EQ(is_listening_end(-1).error().code, EBADF);
}

#ifdef TINCAN_SEAM

class FailingDoorbell : public ::testing::TestWithParam<bool> {};

TEST_P(FailingDoorbell, WakesAtALaterRing) {  // P16
  test::fail_each_call(
      [](test::Fault& fault) {
        auto bell = Doorbell::create();
        ASSERT_TRUE(bell);
        DoorbellListener listener(Descriptor(::dup(bell->listening_end())));
        Poller poller = *Poller::create();
        {
          const test::Installed installed(fault);
          const auto other = Doorbell::create();
          EXPECT_TRUE(other || fault.error() != 0);
          const auto listens = is_listening_end(bell->listening_end());
          EXPECT_TRUE(listens == true || fault.error() != 0);
          const bool watched = poller.add(listener.fd(), EPOLLIN, nullptr).has_value();
          const auto changed = poller.change(listener.fd(), EPOLLIN | EPOLLET, nullptr);
          EXPECT_TRUE((watched && changed) || fault.error() != 0);
          if (!watched) return;
          bell->ring();
          for (int i = 0; i < 4096; ++i) listener.rung();  // which empties it
        }
        EXPECT_TRUE(poller.change(listener.fd(), EPOLLIN | EPOLLET, nullptr)) << fault.what();
        bell->ring();
        std::array<epoll_event, 4> events;
        EXPECT_FALSE(poller.wait(events, Moment())->empty()) << fault.what();
      },
      6, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Once, FailingDoorbell, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(FromNowOn, FailingDoorbell, ::testing::Values(true));

#endif

}  // namespace
}  // namespace tincan::os
