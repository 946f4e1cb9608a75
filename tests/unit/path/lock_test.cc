#include "path/lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "os/socket.h"
#include "support/process.h"
#include "support/temporary_directory.h"
#include "support/user.h"

namespace tincan::path {
namespace {

using test::stranger;
using test::TemporaryDirectory;

TEST(LockRecord, ReadsWhatItWrites) {
  const LockRecord record{4312, "/usr/bin/a program", {{7, 8}, {9, 10}}};
  const LockRecord read = LockRecord::parse(record.text() + "socket 1 1\nleft over");
  EXPECT_EQ(read.pid, 4312);
  EXPECT_EQ(read.program, "/usr/bin/a program");
  EXPECT_EQ(read.sockets, record.sockets);
  EXPECT_EQ(read.holder(), "pid 4312 (/usr/bin/a program)");
}

TEST(LockRecord, TakesWhatItUnderstands) {
  EXPECT_EQ(LockRecord::parse("").holder(), "another process");
  EXPECT_EQ(LockRecord::parse("tincan lock 1\npid 7\nprogram").holder(), "pid 7");
  EXPECT_TRUE(LockRecord::parse("socket\nsocket x\nsocket 1\npid x").sockets.empty());
  rc::check([](const std::string& text) { (void)LockRecord::parse(text).holder(); });
}

class LockFile : public ::testing::Test {
 protected:
  Result<Lock> take() { return Lock::take(place_); }
  /// Puts a lock file of that content and owner there.
  void leave(const std::string& text, uid_t owner, mode_t mode = 0600) {
    test::write_file(file_, text);
    ASSERT_EQ(::chown(file_.c_str(), owner, owner), 0);
    ASSERT_EQ(::chmod(file_.c_str(), mode), 0);
  }
  [[nodiscard]] struct stat status() const {
    struct stat status = {};
    ::lstat(file_.c_str(), &status);
    return status;
  }
  void expect_refusal(const std::string& words) {
    const auto lock = take();
    ASSERT_FALSE(lock);
    EXPECT_EQ(lock.error().cause(), Cause::path);
    EXPECT_NE(lock.error().detail().find(words), std::string::npos) << lock.error().detail();
  }

  TemporaryDirectory directory_;
  Place place_ = *Place::open(directory_ / "x.sock");
  std::string file_ = directory_ / ".x.sock.lock";
};

TEST_F(LockFile, IsOursAloneUnderAnyUmask) {
  for (const mode_t mask : {000, 022, 077, 0777}) {
    ::unlink(file_.c_str());
    const mode_t old = ::umask(mask);
    const auto lock = take();
    ::umask(old);
    ASSERT_TRUE(lock);
    EXPECT_EQ(status().st_mode & 07777, 0600u);
  }
}

TEST_F(LockFile, NamesItsHolder) {
  auto lock = take();
  ASSERT_TRUE(lock);
  ASSERT_TRUE(lock->record(place_, {{1, 2}}));
  const auto second = take();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().cause(), Cause::held);
  EXPECT_EQ(second.error().detail(), (directory_ / "x.sock") + " is held by pid " +
                                         std::to_string(::getpid()) + " (" +
                                         os::program_of(::getpid()) + ")");
  lock->close();
  const auto third = take();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->previous().sockets, (std::vector<os::FileId>{{1, 2}}));
}

TEST_F(LockFile, IsNoticedWhenItIsTakenAway) {
  const auto lock = take();
  ASSERT_TRUE(lock);
  EXPECT_TRUE(lock->in_place(place_));
  ::unlink(file_.c_str());
  EXPECT_FALSE(lock->in_place(place_));
  const auto second = take();
  EXPECT_TRUE(second);
  EXPECT_FALSE(lock->in_place(place_));
}

TEST_F(LockFile, NeverWritesIntoWhatTincanDidNotWrite) {
  leave("a user's text", ::geteuid());
  expect_refusal("that tincan did not write");
  EXPECT_EQ(test::read_file(file_), "a user's text");
}

TEST_F(LockFile, NeverFollowsAPlantedLink) {
  const std::string victim = directory_ / "victim";
  test::write_file(victim, "");
  ASSERT_EQ(::symlink(victim.c_str(), file_.c_str()), 0);
  expect_refusal("a symbolic link");
  ::unlink(file_.c_str());
  ASSERT_EQ(::link(victim.c_str(), file_.c_str()), 0);
  expect_refusal("a regular file with a second name");
  EXPECT_EQ(test::read_file(victim), "");
}

TEST_F(LockFile, SaysThatNothingCanBeMadeThere) {
  place_ = *Place::open("/proc/x.sock");
  expect_refusal("/proc/x.sock: no file can be made in the directory /proc");
  std::filesystem::create_directory(directory_ / "gone");
  place_ = *Place::open(directory_ / "gone/x.sock");
  std::filesystem::remove(directory_ / "gone");
  expect_refusal("no file can be made in the directory " + directory_.path());
}

TEST_F(LockFile, NamesWhatElseHasItsName) {
  ASSERT_EQ(::mkdir(file_.c_str(), 0700), 0);
  expect_refusal("a directory");
  ::rmdir(file_.c_str());
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  expect_refusal("a FIFO");
}

class ForeignLockFile : public LockFile {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "other users' files need root";
  }
};

TEST_F(ForeignLockFile, IsReplacedByRoot) {
  leave("tincan lock 1\npid 1\nend\n", stranger, 0666);
  const ino_t old = status().st_ino;
  auto lock = take();
  ASSERT_TRUE(lock) << lock.error().explain();
  EXPECT_EQ(status().st_uid, 0u);
  EXPECT_EQ(status().st_mode & 07777, 0600u);
  EXPECT_NE(status().st_ino, old);
  EXPECT_TRUE(lock->in_place(place_));
  EXPECT_FALSE(take());
  EXPECT_FALSE(std::filesystem::exists(file_ + ".new"));
}

TEST_F(ForeignLockFile, StaysWithASocketThatIsNotOursToRemove) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 01777), 0);
  // A server of the stranger's that was killed: its lock and its socket are left.
  auto server = test::Process::fork([&] {
    if (!test::become(stranger)) return 9;
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto bound = os::bind(socket, os::SocketAddress::of_path(place_.text));
    return bound && take() ? 0 : 1;
  });
  ASSERT_EQ(server.wait(), 0) << server.output();
  const ino_t before = status().st_ino;
  const auto lock = take();
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().detail(),
            place_.text +
                " is a socket of uid 65531, which is not ours to remove; look at it, or "
                "use another path");
  EXPECT_EQ(status().st_ino, before);
  EXPECT_EQ(test::run_as(stranger, [&] { return take() ? 0 : 1; }), 0);
}

TEST_F(ForeignLockFile, IsReplacedByTheDirectorysOwnerWhoCannotReadIt) {
  ASSERT_EQ(::chown(directory_.path().c_str(), stranger, stranger), 0);
  leave("tincan lock 1\nend\n", 0);
  EXPECT_EQ(test::run_as(stranger, [&] { return take() && status().st_uid == stranger ? 0 : 1; }),
            0);
}

TEST_F(ForeignLockFile, IsHeldWhileSomebodyHoldsIt) {
  leave("tincan lock 1\npid 1\nprogram liar\nend\n", stranger, 0666);
  const Descriptor held(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  const std::string self = "pid " + std::to_string(::getpid());
  EXPECT_NE(take().error().detail().find("is held by " + self), std::string::npos);
  // The same for who cannot even open it.
  ASSERT_EQ(::chmod(file_.c_str(), 0600), 0);
  ASSERT_EQ(::chown(file_.c_str(), 0, 0), 0);
  ASSERT_EQ(::chown(directory_.path().c_str(), stranger, stranger), 0);
  EXPECT_EQ(test::run_as(stranger, [&] { return take().error().cause() == Cause::held ? 0 : 1; }),
            0);
}

TEST_F(ForeignLockFile, IsNamedWhereTheDirectoryDoesNotLetUs) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 01777), 0);
  leave("tincan lock 1\nend\n", 0);
  auto child = test::Process::fork([&] {
    if (!test::become(stranger)) return 2;
    std::puts(take().error().explain().c_str());
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_NE(child.output().find("belongs to uid 0 (root); remove it: rm " + file_),
            std::string::npos)
      << child.output();
}

TEST_F(ForeignLockFile, IsReplacedThoughACrashLeftAnUnfinishedReplacement) {
  leave("tincan lock 1\nend\n", stranger, 0666);
  test::write_file(file_ + ".new", "");
  EXPECT_TRUE(take());
  leave("tincan lock 1\nend\n", stranger, 0666);
  test::write_file(file_ + ".new", "not ours");
  expect_refusal(".new is in the way");
  EXPECT_EQ(test::read_file(file_ + ".new"), "not ours");
}

}  // namespace
}  // namespace tincan::path
