#include "os/socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include "os/clock.h"
#include "support/temporary_directory.h"
#include "support/user.h"

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

TEST(OsSocket, ThatIsNoneIsToldByEveryCall) {
  constexpr int none = -1;
  std::byte byte{};
  std::vector<Descriptor> descriptors;
  const int numbers[] = {0};
  EXPECT_EQ(bind(none, SocketAddress::of_abstract("x")).error().code, EBADF);
  EXPECT_EQ(listen(none, 1).error().code, EBADF);
  EXPECT_EQ(connect(none, SocketAddress::of_abstract("x")).error().code, EBADF);
  EXPECT_EQ(connect(none, SocketAddress::of_abstract("x"), Moment()).error().code, EBADF);
  EXPECT_EQ(set_blocking(none, true).error().code, EBADF);
  EXPECT_EQ(is_blocking(none).error().code, EBADF);
  EXPECT_EQ(set_close_on_exec(none).error().code, EBADF);
  EXPECT_EQ(accept(none).error().code, EBADF);
  EXPECT_EQ(os::shutdown(none, SHUT_WR).error().code, EBADF);
  EXPECT_EQ(send(none, {&byte, 1}, Mode::wait).error().code, EBADF);
  EXPECT_EQ(send(none, {&byte, 1}, numbers, Mode::wait).error().code, EBADF);
  EXPECT_EQ(receive(none, {&byte, 1}, Mode::wait).error().code, EBADF);
  EXPECT_EQ(receive(none, {&byte, 1}, descriptors, Mode::wait).error().code, EBADF);
  EXPECT_EQ(set_receive_timeout(none, 1s).error().code, EBADF);
  EXPECT_EQ(set_send_timeout(none, 1s).error().code, EBADF);
  EXPECT_EQ(peer_credentials(none).error().code, EBADF);
  EXPECT_EQ(peer_groups(none).error().code, EBADF);
  EXPECT_EQ(peer_pidfd(none).error().code, EBADF);
  EXPECT_EQ(is_listening(none).error().code, EBADF);
  EXPECT_EQ(is_unix_stream(none).error().code, EBADF);
}

TEST(OsSocket, OfAnotherDomainOrTypeIsNoUnixStream) {
  const Descriptor datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const Descriptor internet(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(is_unix_stream(datagrams.get()), false);
  EXPECT_TRUE(!internet || is_unix_stream(internet.get()) == false);
}

TEST(OsSocket, TellsAllGroupsOfAPeerThatHasMany) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to have many groups";
  std::vector<gid_t> many;
  for (gid_t gid = 70'000; gid < 70'100; ++gid) many.push_back(gid);
  const auto child = [&] {
    if (!test::become(test::stranger, many)) return 9;
    const auto ends = stream_socket_pair();
    const auto groups = peer_groups(ends->first.get());
    return groups && *groups == many ? 0 : 1;
  };
  EXPECT_EQ(test::Process::fork(child).wait(), 0);
}

}  // namespace
}  // namespace tincan::os
