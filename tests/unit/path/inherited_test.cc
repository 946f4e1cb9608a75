#include "path/inherited.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/socket.h"
#include "path/claim.h"
#include "path/connect.h"
#include "support/address.h"
#include "support/process.h"
#include "support/temporary_directory.h"

namespace tincan::path {
namespace {

using test::at;
using test::Process;

std::string fd(int number) { return "fd:" + std::to_string(number); }

TEST(Inherited, ListenerAndConnectionAreToldApart) {
  const test::TemporaryDirectory directory;
  auto listener = os::stream_socket();
  ASSERT_TRUE(os::bind(listener->get(), os::SocketAddress::of_path(directory / "x")));
  ASSERT_TRUE(os::listen(listener->get(), 1));
  ::fcntl(listener->get(), F_SETFD, 0);
  auto ends = os::stream_socket_pair();
  const auto taken = take_inherited(at(fd(listener->release())));
  ASSERT_TRUE(taken);
  EXPECT_TRUE(taken->listening);
  EXPECT_EQ(::fcntl(taken->socket.get(), F_GETFD), FD_CLOEXEC);
  const auto connection = take_inherited(at(fd(ends->first.release())));
  ASSERT_TRUE(connection);
  EXPECT_FALSE(connection->listening);
}

TEST(Inherited, RefusesWhatIsNoUnixStream) {
  const Descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Descriptor datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (const int number : {987654, file.get(), datagrams.get()}) {
    const auto taken = take_inherited(at(fd(number)));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().cause(), Cause::usage);
  }
  EXPECT_GE(::fcntl(file.get(), F_GETFD), 0);  // it is not ours to close
}

TEST(Inherited, ListenerIsNotMadeNonBlockingAndItsPathIsNotRemoved) {
  const test::TemporaryDirectory directory;
  auto listener = os::stream_socket();
  ASSERT_TRUE(os::bind(listener->get(), os::SocketAddress::of_path(directory / "x")));
  ASSERT_TRUE(os::listen(listener->get(), 1));
  const Descriptor givers = std::move(*listener->duplicate());
  {
    auto claim = Claim::make(at(fd(listener->release())), {});
    ASSERT_TRUE(claim);
    EXPECT_TRUE(claim->inherited());
    EXPECT_EQ(claim->accept().error().code, EAGAIN);
    const auto client = connect(at(directory / "x"), Moment::never(), {});
    ASSERT_TRUE(client);
    EXPECT_TRUE(claim->accept());
    EXPECT_EQ(os::is_blocking(givers.get()), true);
  }
  EXPECT_TRUE(connect(at(directory / "x"), Moment::never(), {}));
}

TEST(Inherited, ConnectionIsGivenOnce) {
  auto ends = os::stream_socket_pair();
  auto claim = Claim::make(at(fd(ends->first.release())), {});
  ASSERT_TRUE(claim);
  EXPECT_TRUE(claim->is_connection());
  EXPECT_TRUE(claim->release_connection());
  EXPECT_FALSE(claim->release_connection());
}

TEST(Inherited, ClientTakesAConnectionAndNoListener) {
  const test::TemporaryDirectory directory;
  auto ends = os::stream_socket_pair();
  const auto connection = connect(at(fd(ends->first.release())), Moment::never(), 3999999999);
  ASSERT_TRUE(connection);
  EXPECT_TRUE(connection->peer.inherited());
  auto listener = os::stream_socket();
  ASSERT_TRUE(os::bind(listener->get(), os::SocketAddress::of_path(directory / "x")));
  ASSERT_TRUE(os::listen(listener->get(), 1));
  EXPECT_EQ(connect(at(fd(listener->release())), Moment::never(), {}).error().cause(),
            Cause::usage);
}

/// Runs `body` in a child that was started as systemd does, with sockets at 3 and 4.
int activated(const std::string& names, const std::function<int()>& body, bool for_us = true) {
  return Process::fork([&] {
           auto one = os::stream_socket_pair();
           if (::dup2(::dup(one->first.get()), 53) < 0 || ::dup2(::dup(one->second.get()), 54) < 0)
             return 90;
           ::dup2(53, 3);
           ::dup2(54, 4);
           ::setenv("LISTEN_PID", std::to_string(::getpid() + (for_us ? 0 : 1)).c_str(), 1);
           ::setenv("LISTEN_FDS", "2", 1);
           ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
           return body();
         })
      .wait()
      .value_or(-1);
}

TEST(Systemd, PicksByName) {
  EXPECT_EQ(
      activated("web:admin", [] { return take_inherited(at("systemd:admin"))->socket.get(); }), 4);
  EXPECT_EQ(activated("web:admin", [] { return take_inherited(at("systemd:web"))->socket.get(); }),
            3);
  EXPECT_EQ(activated("web:admin", [] { return take_inherited(at("systemd:"))->socket.get(); }), 3);
  EXPECT_EQ(activated("web:admin", [] { return take_inherited(at("systemd:adm")) ? 1 : 0; }), 0);
}

TEST(Systemd, GivesEachSocketOnce) {
  EXPECT_EQ(activated("a:b",
                      [] {
                        const auto first = take_inherited(at("systemd:a"));
                        const auto again = take_inherited(at("systemd:"));
                        const auto other = take_inherited(at("systemd:b"));
                        return first && !again && other ? 0 : 1;
                      }),
            0);
}

TEST(Systemd, IgnoresWhatWasMeantForAnotherProcess) {
  EXPECT_EQ(activated("a:b", [] { return take_inherited(at("systemd:")) ? 1 : 0; }, false), 0);
  const auto taken = take_inherited(at("systemd:"));
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().detail().find("no socket was passed"), std::string::npos);
}

}  // namespace
}  // namespace tincan::path
