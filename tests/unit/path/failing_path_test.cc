// Promise 16: every failure of a system call is handled. Here those of addresses that are no plain
// path, of a path that changes hands, and of the questions who the peer is.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "os/clock.h"
#include "os/socket.h"
#include "path/claim.h"
#include "path/connect.h"
#include "path/directory.h"
#include "path/inherited.h"
#include "path/peer.h"
#include "support/address.h"
#include "support/failing_calls.h"
#include "support/temporary_directory.h"
#include "support/user.h"

#ifdef TINCAN_SEAM

namespace tincan::path {
namespace {

using test::fail_each_call;
using test::Fault;
using test::Installed;

class FailingPath : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] struct stat status() const {
    struct stat status = {};
    ::lstat(path_.c_str(), &status);
    return status;
  }

  test::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "x.sock";
};

TEST_P(FailingPath, OfAnInheritedSocketLeavesItToItsGiver) {
  fail_each_call(
      [&](Fault& fault) {
        auto ends = os::stream_socket_pair();
        const int number = ends->first.release();
        {
          const Installed installed(fault);
          const auto taken = take_inherited(test::at("fd:" + std::to_string(number)));
          EXPECT_EQ(taken.has_value(), fault.error() == 0) << fault.what();
          if (!taken) {
            EXPECT_EQ(taken.error().cause(), Cause::usage) << fault.what();
          }
        }
        if (fault.error() != 0) {
          EXPECT_TRUE(take_inherited(test::at("fd:" + std::to_string(number)))) << fault.what();
        }
      },
      3, GetParam());
}

/// In a child that systemd would have started: the n-th call fails, and then a second attempt has
/// the socket all the same.
int taken_at_the_second_attempt(int n, bool goes_on) {
  auto ends = os::stream_socket_pair();
  if (::dup2(::dup(ends->first.get()), 53) < 0 || ::dup2(53, 3) < 0) return 90;
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::unsetenv("LISTEN_FDNAMES");
  Fault fault(n, 0, goes_on);
  {
    const Installed installed(fault);
    const auto taken = take_inherited(test::at("systemd:"));
    if (!fault.reached()) return taken ? 50 : 91;
    if (taken.has_value() != (fault.error() == 0)) return 92;
    if (taken) return 0;
  }
  return take_inherited(test::at("systemd:")) ? 0 : 93;
}

TEST_P(FailingPath, OfASystemdSocketDoesNotUseItUp) {
  int n = 1;
  std::optional<int> ended = 0;
  for (; ended == 0 && n < 20; ++n) {
    auto child = test::Process::fork([&] { return taken_at_the_second_attempt(n, GetParam()); });
    ended = child.wait();
  }
  EXPECT_EQ(ended, 50) << "call " << n - 1;
  EXPECT_GT(n, 4);
}

TEST_P(FailingPath, OfAnAbstractNameIsToldAndTheNextAttemptWorks) {
  const Address address = test::at("unix-abstract:" + directory_.path());
  const ListenOptions options{.allow = {.uids = {::geteuid()}}, .abstract = true};
  fail_each_call(
      [&](Fault& fault) {
        {
          const Installed installed(fault);
          const auto claim = Claim::make(address, options);
          if (!claim) {
            EXPECT_NE(fault.error(), 0);
            EXPECT_NE(claim.error().cause(), Cause::no_server) << fault.what();
          } else {
            const auto other = Claim::make(address, options);
            EXPECT_FALSE(other) << fault.what();
            const auto reached = connect(address, os::now() + test::patience_with_failures, {});
            EXPECT_TRUE(reached || fault.error() != 0);
          }
        }
        auto next = Claim::make(address, options);
        ASSERT_TRUE(next) << fault.what() << ": " << next.error().explain();
        EXPECT_TRUE(connect(address, os::now() + test::patience, {})) << fault.what();
      },
      8, GetParam());
}

TEST_P(FailingPath, ThatIsHandedOverIsTheOldOnesOrTheNewOnes) {
  const bool root = ::geteuid() == 0;
  const ListenOptions others{.mode = 0660,
                             .group = root ? std::optional<std::string>("4242") : std::nullopt};
  fail_each_call(
      [&](Fault& fault) {
        auto old = Claim::make(test::at(path_), {.mode = 0640});
        ASSERT_TRUE(old);
        {
          const Installed installed(fault);
          auto handed = old->hand_over();
          EXPECT_TRUE(handed || fault.error() != 0);
          if (handed) {
            const auto next = Claim::adopt(test::at(path_), others, std::move(*handed));
            EXPECT_TRUE(next || fault.error() != 0);
          }
          const auto back = old->take_back();
          EXPECT_TRUE(back || fault.error() != 0);
        }
        EXPECT_TRUE(connect(test::at(path_), os::now() + test::patience, {})) << fault.what();
        // Once more, for what failed may have been putting it back.
        ASSERT_TRUE(old->take_back()) << fault.what();
        // Whatever failed, nobody may connect now who could not before.
        EXPECT_EQ(status().st_mode & 07777 & ~mode_t{0640}, 0u) << fault.what();
        EXPECT_EQ(Claim::make(test::at(path_), {}).error().cause(), Cause::held) << fault.what();
        old->remove();
        EXPECT_NE(::access(path_.c_str(), F_OK), 0) << fault.what();
      },
      30, GetParam());
}

TEST_P(FailingPath, OfAQuestionNeverMakesAnImpostorTrusted) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving things away needs root";
  const std::string root = "/tincan-failing." + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(root.c_str(), 0755), 0);
  ASSERT_EQ(::chown(root.c_str(), test::stranger, test::stranger), 0);
  const std::string socket = root + "/x.sock";
  const auto bound = os::stream_socket();
  EXPECT_TRUE(os::bind(bound->get(), os::SocketAddress::of_path(socket)));
  EXPECT_EQ(::chown(socket.c_str(), test::stranger, test::stranger), 0);
  EXPECT_EQ(::symlink("x.sock", (root + "/link").c_str()), 0);
  fail_each_call(
      [&](Fault& fault) {
        const Installed installed(fault);
        const bool believed = only_owner_can_publish(root + "/link", test::stranger);
        EXPECT_EQ(believed, fault.error() == 0) << fault.what();
        EXPECT_FALSE(only_owner_can_publish(root + "/link", test::other_stranger)) << fault.what();
      },
      8, GetParam());
  std::error_code ignored;
  std::filesystem::remove_all(root, ignored);
}

TEST_P(FailingPath, OfAQuestionLeavesThePeerUnknown) {
  const auto ends = os::stream_socket_pair();
  fail_each_call(
      [&](Fault& fault) {
        const Installed installed(fault);
        const Peer peer = peer_of(ends->first.get(), false);
        EXPECT_EQ(peer.uid().has_value(), peer.gid().has_value()) << fault.what();
        if (!peer.gid() && peer.groups().empty()) {
          EXPECT_FALSE(peer.in_group(::getegid())) << fault.what();
        }
        EXPECT_GT(peer.describe().size(), 5u);
        const auto process = peer.pidfd();
        if (!process) {
          EXPECT_NE(process.error().cause(), Cause::closed) << fault.what();
        }
      },
      2, GetParam());
}

/// Behaves as if /proc were not mounted: what leads through it is not found.
class NoProc : public os::Seam {
 public:
  int before(os::Call call, std::size_t*) override {
    if (call == os::Call::bind && !std::exchange(bound_, true)) return ENOENT;
    const bool looks_for_proc = call == os::Call::stat && bound_ && !std::exchange(looked_, true);
    return looks_for_proc || (call == os::Call::chmod && bound_) ? ENOENT : 0;
  }

 private:
  bool bound_ = false;
  bool looked_ = false;
};

TEST(ClaimWithoutProc, GoesByTheDirectorysNameUnlessThatIsLong) {
  const test::TemporaryDirectory directory;
  const auto claim_at = [](const std::string& path, mode_t mode) {
    NoProc none;
    const Installed installed(none);
    return Claim::make(test::at(path), {.mode = mode});
  };
  {
    const auto claim = claim_at(directory / "x", 0600);
    ASSERT_TRUE(claim) << claim.error().explain();
    EXPECT_TRUE(connect(test::at(directory / "x"), os::now() + test::patience, {}));
  }
  // The mode of the file is set through /proc where it is not 0600.
  EXPECT_EQ(claim_at(directory / "x", 0660).error().cause(), Cause::unsupported);
  std::string detour = directory.path();
  while (detour.size() <= limits::sun_path_bytes_max) detour += "/.";
  EXPECT_FALSE(claim_at(detour + "/x", 0600));
  EXPECT_TRUE(Claim::make(test::at(directory / "x"), {}));  // nothing is in its way
}

/// Answers every question about a socket's options with one error.
class NoAnswers : public os::Seam {
 public:
  explicit NoAnswers(int error) : error_(error) {}
  int before(os::Call call, std::size_t*) override {
    return call == os::Call::getsockopt ? error_ : 0;
  }

 private:
  int error_;
};

TEST(PeerWithoutAPidfd, IsSaidToBeSoForAReason) {
  const auto ends = os::stream_socket_pair();
  const Peer peer = peer_of(ends->first.get(), false);
  const auto why = [&](int error) {
    NoAnswers none(error);
    const Installed installed(none);
    return peer.pidfd().error();
  };
  EXPECT_EQ(why(EMFILE).cause(), Cause::exhausted);
  EXPECT_EQ(why(ENFILE).cause(), Cause::exhausted);
  for (const int old_kernel : {ENOPROTOOPT, EINVAL}) {
    EXPECT_EQ(why(old_kernel).cause(), Cause::unsupported);
    EXPECT_NE(why(old_kernel).detail().find("Linux 6.5"), std::string::npos);
  }
  EXPECT_NE(why(ESRCH).detail().find("has ended"), std::string::npos);
}

TEST(PeerWithoutCredentials, MatchesNoRuleAndIsNoServerToTrust) {
  const auto ends = os::stream_socket_pair();
  NoAnswers none(ENOMEM);
  const Installed installed(none);
  const Peer peer = peer_of(ends->first.get(), false);
  EXPECT_FALSE(peer.uid() || peer.gid() || peer.pid());
  EXPECT_FALSE(peer.in_group(::getegid()));
  EXPECT_EQ(peer.describe(), "a user unknown in this user namespace");
}

INSTANTIATE_TEST_SUITE_P(Once, FailingPath, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(FromNowOn, FailingPath, ::testing::Values(true));

}  // namespace
}  // namespace tincan::path

#endif
