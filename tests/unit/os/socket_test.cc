#include "os/socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include "os/clock.h"
#include "support/temporary_directory.h"

namespace tincan::os {
namespace {

using namespace std::chrono_literals;

/// A listener whose backlog is full.
class FullBacklog : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(bind(listener_.get(), address_));
    ASSERT_TRUE(listen(listener_.get(), 0));
    ASSERT_TRUE(connect(waiting_.get(), address_));
  }

  test::TemporaryDirectory directory_;
  SocketAddress address_ = SocketAddress::of_path(directory_ / "x");
  Descriptor listener_ = *stream_socket();
  Descriptor waiting_ = *stream_socket();
};

TEST_F(FullBacklog, EndsAConnectAtItsDeadline) {
  const auto socket = stream_socket();
  const Moment start = now();
  EXPECT_EQ(connect(socket->get(), address_, start + 50ms).error().code, EAGAIN);
  EXPECT_GE(now().since(start), 50ms);
}

TEST_F(FullBacklog, DoesNotHoldUpAConnectThatMayNotWait) {
  const auto socket = stream_socket();
  EXPECT_EQ(connect(socket->get(), address_, Moment()).error().code, EAGAIN);
}

TEST_F(FullBacklog, EndsAConnectAtItsDeadlineThoughSignalsKeepComing) {
  struct sigaction quiet = {}, old;
  quiet.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &quiet, &old);
  const itimerval often = {{0, 1000}, {0, 1000}}, never = {};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  const auto socket = stream_socket();
  const Moment start = now();
  const auto result = connect(socket->get(), address_, start + 50ms);
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &old, nullptr);
  EXPECT_EQ(result.error().code, EAGAIN);
  EXPECT_GE(now().since(start), 50ms);
}

TEST(OsConnect, LeavesTheSocketBlocking) {
  const test::TemporaryDirectory directory;
  const auto address = SocketAddress::of_path(directory / "x");
  const auto listener = stream_socket();
  ASSERT_TRUE(bind(listener->get(), address));
  ASSERT_TRUE(listen(listener->get(), 8));
  for (const Moment deadline : {Moment(), now() + 1s, Moment::never()}) {
    const auto socket = stream_socket();
    ASSERT_TRUE(connect(socket->get(), address, deadline));
    EXPECT_EQ(is_blocking(socket->get()), true);
    EXPECT_EQ(::fcntl(socket->get(), F_GETFD), FD_CLOEXEC);
  }
}

}  // namespace
}  // namespace tincan::os
