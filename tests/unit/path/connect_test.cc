#include "path/connect.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "os/clock.h"
#include "os/poller.h"
#include "os/socket.h"
#include "path/claim.h"
#include "support/address.h"
#include "support/temporary_directory.h"
#include "support/user.h"

namespace tincan::path {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::other_stranger;
using test::Process;
using test::run_as;
using test::stranger;

class Connect : public ::testing::Test {
 protected:
  Result<Connection> reach(std::optional<uid_t> server_uid = {}) {
    return connect(at(path_), os::now() + 5s, server_uid);
  }
  /// The cause and words of a failed attempt.
  void expect_failure(Cause cause, const std::string& words) {
    const auto connection = reach();
    ASSERT_FALSE(connection);
    EXPECT_EQ(connection.error().cause(), cause) << connection.error().explain();
    EXPECT_NE(connection.error().detail().find(words), std::string::npos)
        << connection.error().detail();
  }
  [[nodiscard]] Descriptor listener(int backlog = 8, int type = SOCK_STREAM) const {
    Descriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    EXPECT_TRUE(os::bind(socket.get(), os::SocketAddress::of_path(path_)));
    if (type != SOCK_DGRAM) {
      EXPECT_TRUE(os::listen(socket.get(), backlog));
    }
    return socket;
  }

  test::TemporaryDirectory directory_{0755};
  std::string path_ = directory_ / "x.sock";
};

TEST_F(Connect, SaysWhyNobodyIsThere) {
  expect_failure(Cause::no_server, path_ + " does not exist; start the server");
  listener().reset();
  expect_failure(Cause::no_server, path_ + " exists but nobody listens there");
}

TEST_F(Connect, SaysWhatIsThereInstead) {
  test::write_file(path_, "");
  expect_failure(Cause::path, path_ + " is a regular file, not a socket; check the path");
  ::unlink(path_.c_str());
  const Descriptor datagrams = listener(8, SOCK_DGRAM);
  expect_failure(Cause::path, "not a stream; check the path");
  path_ += "/below";
  expect_failure(Cause::path, "Not a directory; check the path");
}

TEST_F(Connect, SaysThatLinksLeadNowhere) {
  ASSERT_EQ(::symlink(path_.c_str(), path_.c_str()), 0);
  expect_failure(Cause::path, path_ + ": Too many levels of symbolic links; check the path");
}

TEST_F(Connect, SaysWhatTheFilePermits) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming other users needs root";
  const Descriptor server = listener();
  ASSERT_EQ(::chmod(path_.c_str(), 0660), 0);
  auto child = Process::fork([&] {
    if (!test::become(stranger)) return 9;
    expect_failure(Cause::refused, "uid 65531 may not connect to " + path_ +
                                       " (mode 0660, uid 0 (root), group root (0))");
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), 0) << child.output();
}

TEST_F(Connect, SaysThatADirectoryMayNotBeSearched) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming other users needs root";
  const Descriptor server = listener();
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0700), 0);
  auto child = Process::fork([&] {
    if (!test::become(stranger)) return 9;
    expect_failure(Cause::refused, "(a directory on the way may not be searched)");
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), 0) << child.output();
}

TEST_F(Connect, TakesNoDescriptorThatIsNone) {
  path_ = "fd:987654";
  expect_failure(Cause::usage, "descriptor 987654 is not open");
}

TEST_F(Connect, EndsAtItsDeadlineWhenTheBacklogIsFull) {
  const Descriptor server = listener(0);
  const auto waiting = reach();
  const Moment start = os::now();
  const auto late = connect(at(path_), start + 50ms, {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().cause(), Cause::deadline);
  EXPECT_GE(os::now().since(start), 50ms);
  const auto at_once = try_connect(at(path_), {});
  ASSERT_TRUE(at_once);
  EXPECT_FALSE(*at_once);
  ASSERT_TRUE(os::accept(server.get()));
  EXPECT_TRUE(*try_connect(at(path_), {}));
}

TEST_F(Connect, WorksBeforeTheServerAccepts) {
  const Descriptor server = listener();
  const auto connection = reach();
  ASSERT_TRUE(connection);
  EXPECT_EQ(os::is_blocking(connection->socket.get()), true);
}

/// What a client, running as `client`, meets when `server` listens at the path.
class ServerCheck : public Connect {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming other users needs root";
  }
  std::optional<Process> serve(uid_t server) {
    ::chmod(directory_.path().c_str(), 01777);
    auto process = Process::fork([&] {
      if (!test::become(server)) return 9;
      const Descriptor socket = listener();
      ::chmod(path_.c_str(), 0666);
      std::puts("ready");
      std::fflush(stdout);
      const auto client = os::accept(socket.get());
      std::byte byte;
      return os::receive(client->get(), {&byte, 1}, os::Mode::wait).value_or(0) == 0 ? 0 : 1;
    });
    if (!process.wait_for_output("ready")) return std::nullopt;
    return process;
  }
  int client(uid_t uid, std::optional<uid_t> pinned) {
    return run_as(uid, [&] {
      const auto connection = reach(pinned);
      if (connection) return 0;
      return connection.error().cause() == Cause::refused ? 1 : 2;
    });
  }
};

TEST_F(ServerCheck, RefusesAStrangerWhoWasFirstAndSendsItNothing) {
  auto server = serve(stranger);
  ASSERT_TRUE(server);
  EXPECT_EQ(client(other_stranger, {}), 1);
  EXPECT_EQ(server->wait(), 0);
  ::unlink(path_.c_str());
  server = serve(stranger);
  EXPECT_EQ(client(0, {}), 1);
}

TEST_F(ServerCheck, SaysWhereOthersCanWriteAndWhatToAskFor) {
  auto server = serve(stranger);
  ASSERT_TRUE(server);
  expect_failure(Cause::refused,
                 "runs as uid 65531, who is neither root nor you, and others can "
                 "write in the directory " +
                     directory_.path() +
                     "; if you expect that user, ask for it: --server-uid 65531, "
                     "or ClientOptions::server_uid");
}

TEST_F(ServerCheck, AcceptsRootOurselvesAndWhoWasAskedFor) {
  auto server = serve(0);
  EXPECT_EQ(client(stranger, {}), 0);
  ::unlink(path_.c_str());
  server = serve(stranger);
  EXPECT_EQ(client(stranger, {}), 0);
  ::unlink(path_.c_str());
  server = serve(stranger);
  EXPECT_EQ(client(other_stranger, stranger), 0);
}

TEST_F(ServerCheck, RefusesEvenRootWhenAnotherWasAskedFor) {
  auto server = serve(0);
  EXPECT_EQ(client(stranger, other_stranger), 1);
}

TEST_F(ServerCheck, BelievesWhoAloneCouldPutTheSocketThere) {
  // /tmp would let everybody: what is tried here lies below the root itself.
  const std::string root = "/tincan-check." + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(root.c_str(), 0755), 0);
  path_ = root + "/x.sock";
  std::optional<Descriptor> socket = listener();
  EXPECT_EQ(::chmod(path_.c_str(), 0666), 0);
  EXPECT_EQ(::chown(path_.c_str(), stranger, stranger), 0);
  // The kernel's word is of who called listen(2): somebody else than the owner of the file.
  auto server = Process::fork([&] {
    if (!test::become(stranger) || !os::listen(socket->get(), 8)) return 9;
    std::puts("ready");
    std::fflush(stdout);
    const auto first = os::accept(socket->get());
    const auto second = os::accept(socket->get());
    return first && second ? 0 : 1;
  });
  EXPECT_TRUE(server.wait_for_output("ready"));
  EXPECT_EQ(client(other_stranger, {}), 0);
  EXPECT_EQ(::chown(root.c_str(), other_stranger, other_stranger), 0);
  expect_failure(Cause::refused, "others could have put it there; if you expect that user");
  EXPECT_EQ(server.wait(), 0);
  std::error_code ignored;
  std::filesystem::remove_all(root, ignored);
}

TEST_F(ServerCheck, SaysOfARelativePathThatOthersCanWriteWhereItStarts) {
  auto server = serve(stranger);
  ASSERT_TRUE(server);
  auto child = Process::fork([&] {
    if (::chdir(directory_.path().c_str()) != 0) return 9;
    path_ = "x.sock";
    expect_failure(Cause::refused, "others can write in the directory .;");
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), 0) << child.output();
}

TEST_F(ServerCheck, TrustsNoAbstractNameOfSomebodyElse) {
  const std::string name = directory_.path();
  auto server = Process::fork([&] {
    if (!test::become(stranger)) return 9;
    const auto socket = os::stream_socket();
    if (!os::bind(socket->get(), os::SocketAddress::of_abstract(name))) return 8;
    if (!os::listen(socket->get(), 8)) return 7;
    std::puts("ready");
    std::fflush(stdout);
    return os::accept(socket->get()) ? 0 : 1;
  });
  ASSERT_TRUE(server.wait_for_output("ready"));
  const auto reached = connect(at("unix-abstract:" + name), os::now() + 5s, {});
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().cause(), Cause::refused);
  EXPECT_NE(reached.error().detail().find("anybody may take such a name first"), std::string::npos);
  EXPECT_EQ(server.wait(), 0);
}

TEST(ConnectExec, TalksToAChildThatIsNobodysToReap) {
  const auto connection = connect(at("exec:sh -c exec<&3;cat>&3"), os::now() + 5s, 3999999999);
  ASSERT_TRUE(connection) << connection.error().explain();
  EXPECT_TRUE(connection->peer.inherited());
  EXPECT_TRUE(connection->peer.pidfd());
  std::byte byte{7};
  ASSERT_TRUE(os::send(connection->socket.get(), {&byte, 1}, os::Mode::wait));
  byte = {};
  const auto came = os::wait_for(connection->socket.get(), POLLIN, os::now() + 20s);
  ASSERT_NE(came.value_or(0), 0);
  EXPECT_EQ(os::receive(connection->socket.get(), {&byte, 1}, os::Mode::do_not_wait), 1u);
  EXPECT_EQ(byte, std::byte{7});
}

TEST(ConnectExec, EndsTheChildByClosing) {
  auto connection = connect(at("exec:sh -c cat<&3"), os::now() + 5s, {});
  ASSERT_TRUE(connection);
  const auto process = connection->peer.pidfd();
  ASSERT_TRUE(process);
  connection->socket.reset();
  EXPECT_NE(os::wait_for(process->get(), POLLIN, os::now() + 20s).value_or(0), 0);
}

TEST(ConnectExec, NamesWhatCannotBeStarted) {
  const auto connection = connect(at("exec:/nowhere/at/all"), os::now() + 5s, {});
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().cause(), Cause::no_server);
  EXPECT_EQ(connection.error().explain(),
            "not sent: cannot start /nowhere/at/all: No such file or directory");
}

}  // namespace
}  // namespace tincan::path
