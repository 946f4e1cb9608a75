// How a claim passes from a living server to its successor, and back.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "os/clock.h"
#include "path/claim.h"
#include "path/connect.h"
#include "support/address.h"
#include "support/temporary_directory.h"
#include "support/user.h"

namespace tincan::path {
namespace {

using test::at;
using test::Process;
using test::stranger;

class HandOver : public ::testing::Test {
 protected:
  Result<Claim> claim(const ListenOptions& options = {}) { return Claim::make(at(path_), options); }
  [[nodiscard]] Result<Connection> reach() const {
    return connect(at(path_), os::now() + test::patience, {});
  }
  [[nodiscard]] struct stat status() const {
    struct stat status = {};
    ::lstat(path_.c_str(), &status);
    return status;
  }

  test::TemporaryDirectory directory_;
  std::string path_ = directory_ / "x.sock";
};

TEST_F(HandOver, LeavesNoMomentWithoutAServer) {
  auto old = claim({.mode = 0600});
  ASSERT_TRUE(old);
  const ino_t inode = status().st_ino;
  const auto waiting = reach();
  auto handed = old->hand_over();
  ASSERT_TRUE(handed);
  auto next = Claim::adopt(at(path_), {.mode = 0660}, std::move(*handed));
  ASSERT_TRUE(next) << next.error().explain();
  old->abandon();
  EXPECT_EQ(old->fd(), -1);
  EXPECT_EQ(status().st_ino, inode);
  EXPECT_EQ(status().st_mode & 07777, 0660u);
  EXPECT_TRUE(next->accept());  // who waited at the old one
  EXPECT_EQ(claim().error().cause(), Cause::held);
  next->remove();
  EXPECT_TRUE(std::filesystem::exists(path_));  // it may still be the old one's
  next->keep();
  next->remove();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(claim());
}

TEST_F(HandOver, IsTakenBackWithTheRightsThatTheFileHad) {
  auto old = claim({.mode = 0640});
  ASSERT_EQ(::chmod(path_.c_str(), 0604), 0);  // somebody's choice since
  auto handed = old->hand_over();
  ASSERT_TRUE(handed);
  old->remove();
  EXPECT_TRUE(std::filesystem::exists(path_));  // it may be the successor's
  {
    const bool root = ::geteuid() == 0;
    const auto group = root ? std::optional<std::string>("4242") : std::nullopt;
    auto next = Claim::adopt(at(path_), {.mode = 0660, .group = group}, std::move(*handed));
    ASSERT_TRUE(next) << next.error().explain();
    EXPECT_TRUE(next->is_named_in_lock());
    EXPECT_EQ(status().st_mode & 07777, 0660u);
  }
  ASSERT_TRUE(old->take_back());
  EXPECT_EQ(status().st_mode & 07777, 0604u);
  EXPECT_EQ(status().st_gid, ::getegid());
  EXPECT_TRUE(reach());
  EXPECT_EQ(claim().error().cause(), Cause::held);
  old->remove();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(HandOver, TellsWhoWroteTheLockLast) {
  auto old = claim();
  auto handed = old->hand_over();
  auto child = Process::fork([&] {
    auto next = Claim::adopt(at(path_), {}, std::move(*handed));
    return next && next->is_named_in_lock() ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_FALSE(old->is_named_in_lock());
  EXPECT_TRUE(old->holder().starts_with("pid " + std::to_string(child.pid()))) << old->holder();
  ASSERT_TRUE(old->take_back());
  EXPECT_TRUE(old->is_named_in_lock());
}

TEST_F(HandOver, ThatMayNotSetTheGroupLeavesTheModeAsItWas) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user who may not";
  ASSERT_EQ(::chown(directory_.path().c_str(), stranger, stranger), 0);
  const auto adopts_in_vain = [&] {
    auto old = claim({.mode = 0660});
    auto handed = old->hand_over();
    const auto next = Claim::adopt(at(path_), {.mode = 0600, .group = "4242"}, std::move(*handed));
    if (next || next.error().cause() != Cause::refused) return 1;
    return (status().st_mode & 07777) == 0660 && status().st_gid == stranger ? 0 : 2;
  };
  EXPECT_EQ(test::run_as(stranger, adopts_in_vain), 0);
}

TEST_F(HandOver, RefusesAnotherListener) {
  auto old = claim();
  auto other = Claim::make(at(directory_ / "y.sock"), {});
  auto handed = old->hand_over();
  auto wrong = other->hand_over();
  std::vector<Descriptor> mixed;
  mixed.push_back(std::move((*wrong)[0]));
  mixed.push_back(std::move((*handed)[1]));
  const auto adopted = Claim::adopt(at(path_), {}, std::move(mixed));
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().cause(), Cause::held);
  EXPECT_EQ(claim().error().cause(), Cause::held);  // the old one has its lock still
}

TEST_F(HandOver, RefusesAnotherLock) {
  auto old = claim();
  auto other = Claim::make(at(directory_ / "y.sock"), {});
  auto handed = old->hand_over();
  auto wrong = other->hand_over();
  std::vector<Descriptor> mixed;
  mixed.push_back(std::move((*handed)[0]));
  mixed.push_back(std::move((*wrong)[1]));
  EXPECT_EQ(Claim::adopt(at(path_), {}, std::move(mixed)).error().cause(), Cause::held);
  EXPECT_EQ(Claim::adopt(at(path_), {}, {}).error().cause(), Cause::held);
}

TEST_F(HandOver, RefusesALockThatSomebodyElseHolds) {
  auto old = claim();
  auto handed = old->hand_over();
  (*handed)[1].reset(::open((directory_ / ".x.sock.lock").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(Claim::adopt(at(path_), {}, std::move(*handed)).error().cause(), Cause::held);
}

}  // namespace
}  // namespace tincan::path
