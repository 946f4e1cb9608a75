#include "os/doorbell.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "os/poller.h"

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

}  // namespace
}  // namespace tincan::os
