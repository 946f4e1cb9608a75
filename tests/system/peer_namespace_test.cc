// Promise 11: who calls is the kernel's word, also across namespaces.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "path/access.h"
#include "support/temporary_directory.h"
#include "support/user.h"
#include "tincan/stream.h"

namespace tincan {
namespace {

using test::patience;
using test::Process;
using test::stranger;

/// Enters new namespaces in a child, which says why when the kernel forbids it.
constexpr int forbidden = 77;

bool map_only_root() {
  test::write_file("/proc/self/setgroups", "deny");
  test::write_file("/proc/self/uid_map", "0 0 1");
  test::write_file("/proc/self/gid_map", "0 0 1");
  return ::getuid() == 0;
}

class Namespaces : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "namespaces and other users need root";
  }
  /// A client that connects as `uid` from here, and reads until the end.
  Process client(uid_t uid) {
    return Process::fork([this, uid] {
      if (!test::become(uid)) return 9;
      const auto connected = [this] { return Stream::connect(path_, patience, 0).has_value(); };
      return test::eventually(connected) ? 0 : 1;
    });
  }
  /// Runs a server in a child and returns what `judge` says of the peer it accepts.
  int served(const std::function<bool()>& enter, uid_t client_uid,
             const std::function<int(const Peer&)>& judge) {
    auto server = Process::fork([&] {
      if (!enter()) return forbidden;
      // The first child of a process that unshared its pid namespace lives in the new one.
      auto inside = Process::fork([&] {
        auto listener = Listener::listen(path_, {.mode = 0666});
        if (!listener) return 3;
        const auto stream = listener->accept(patience);
        return stream ? judge(stream->peer()) : 4;
      });
      return inside.wait().value_or(5);
    });
    auto from = client(client_uid);
    return server.wait().value_or(-1);
  }

  test::TemporaryDirectory directory_{0755};
  std::string path_ = directory_ / "x.sock";
};

TEST_F(Namespaces, AnUnknownPidRefusesNobody) {
  const int result = served([] { return ::unshare(CLONE_NEWPID) == 0; }, stranger,
                            [](const Peer& peer) {
                              const AllowList allow{.uids = {stranger}, .gids = {}};
                              if (peer.pid()) return 1;
                              return path::admits(allow, peer) ? 0 : 2;
                            });
  if (result == forbidden) GTEST_SKIP() << "this kernel gives no pid namespaces";
  EXPECT_EQ(result, 0);
}

TEST_F(Namespaces, AnUnmappedUserMatchesNoRule) {
  const int result =
      served([] { return ::unshare(CLONE_NEWUSER) == 0 && map_only_root(); }, stranger,
             [](const Peer& peer) {
               const AllowList nobody{.uids = {65534}, .gids = {65534}};
               if (peer.uid() || peer.gid() || !peer.groups().empty()) return 1;
               return path::admits(nobody, peer) ? 2 : 0;
             });
  if (result == forbidden) GTEST_SKIP() << "this kernel gives no user namespaces";
  EXPECT_EQ(result, 0);
}

TEST_F(Namespaces, AMappedUserIsItself) {
  const int result = served([] { return ::unshare(CLONE_NEWUSER) == 0 && map_only_root(); }, 0,
                            [](const Peer& peer) { return peer.uid() == 0u ? 0 : 1; });
  if (result == forbidden) GTEST_SKIP() << "this kernel gives no user namespaces";
  EXPECT_EQ(result, 0);
}

TEST_F(Namespaces, APathIsReachedFromAnotherNetwork) {
  auto listener = Listener::listen(path_);
  ASSERT_TRUE(listener);
  auto outside = Process::fork([&] {
    if (::unshare(CLONE_NEWNET) != 0) return forbidden;
    return Stream::connect(path_) ? 0 : 1;
  });
  const auto result = outside.wait();
  if (result == forbidden) GTEST_SKIP() << "this kernel gives no network namespaces";
  EXPECT_EQ(result, 0);
}

/// Credentials are those of connect(2): who changes its uid afterwards is who it was.
TEST_F(Namespaces, CredentialsAreTakenAtConnect) {
  auto listener = Listener::listen(path_, {.mode = 0666});
  ASSERT_TRUE(listener);
  auto child = Process::fork([&] {
    auto stream = Stream::connect(path_);
    if (!stream || !test::become(stranger)) return 1;
    return stream->write("x") ? (::pause(), 0) : 2;
  });
  const auto accepted = listener->accept(patience);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->peer().uid(), 0u);
  EXPECT_EQ(accepted->peer().pid(), child.pid());
}

TEST_F(Namespaces, SupplementaryGroupsCountAndTheClientsOwnNameDoesNot) {
  auto listener = Listener::listen(path_, {.mode = 0666, .allow = {.uids = {}, .gids = {4242}}});
  ASSERT_TRUE(listener);
  auto child = Process::fork([&] {
    if (!test::become(stranger, {4241, 4242})) return 1;
    return Stream::connect(path_) ? (::pause(), 0) : 2;
  });
  const auto accepted = listener->accept(patience);
  ASSERT_TRUE(accepted);
  EXPECT_TRUE(accepted->peer().in_group(4242));
  EXPECT_EQ(accepted->peer().uid(), stranger);
}

}  // namespace
}  // namespace tincan
