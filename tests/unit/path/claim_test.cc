#include "path/claim.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "os/clock.h"
#include "os/process.h"
#include "os/socket.h"
#include "path/connect.h"
#include "path/lock.h"
#include "support/address.h"
#include "support/seam.h"
#include "support/temporary_directory.h"
#include "support/user.h"

namespace tincan::path {
namespace {

using test::at;
using test::Process;
using test::stranger;
using test::TemporaryDirectory;

Result<Connection> reach(const std::string& text) {
  return connect(at(text), os::now() + std::chrono::seconds(5), {});
}

/// What is in a directory, sorted.
std::vector<std::string> listing(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

class ClaimOfAPath : public ::testing::Test {
 protected:
  Result<Claim> claim(const ListenOptions& options = {}) { return Claim::make(at(path_), options); }
  /// A socket that a process left behind.
  void leave_dead_socket(uid_t owner = ::geteuid()) const {
    const auto socket = os::stream_socket();
    ASSERT_TRUE(os::bind(socket->get(), os::SocketAddress::of_path(path_)));
    ASSERT_EQ(::chown(path_.c_str(), owner, owner), 0);
  }
  [[nodiscard]] struct stat status() const {
    struct stat status = {};
    ::lstat(path_.c_str(), &status);
    return status;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "x.sock";
};

TEST_F(ClaimOfAPath, IsReachedAndLeavesOnlyItsLock) {
  {
    auto claimed = claim();
    ASSERT_TRUE(claimed) << claimed.error().explain();
    EXPECT_EQ(listing(directory_.path()), (std::vector<std::string>{".x.sock.lock", "x.sock"}));
    EXPECT_EQ(claimed->accept().error().code, EAGAIN);
    const auto connection = reach(path_);
    ASSERT_TRUE(connection) << connection.error().explain();
    EXPECT_EQ(connection->peer.pid(), ::getpid());
    EXPECT_TRUE(claimed->accept());
    EXPECT_FALSE(claimed->inherited());
    EXPECT_FALSE(claimed->is_connection());
  }
  EXPECT_EQ(listing(directory_.path()), (std::vector<std::string>{".x.sock.lock"}));
}

#ifdef TINCAN_SEAM

/// Lets the path of a directory lead to another one just before a socket is bound.
class MovesTheDirectory : public os::Seam {
 public:
  MovesTheDirectory(std::string from, std::string to)
      : from_(std::move(from)), to_(std::move(to)) {}
  int before(os::Call call, std::size_t*) override {
    if (call == os::Call::bind && !std::exchange(moved_, true)) {
      std::filesystem::rename(from_, to_);
      std::filesystem::create_directory(from_);
    }
    return 0;
  }

 private:
  std::string from_;
  std::string to_;
  bool moved_ = false;
};

TEST_F(ClaimOfAPath, IsMadeInTheDirectoryThatWasChecked) {  // P9
  const std::string checked = directory_ / "run";
  const std::string elsewhere = directory_ / "moved";
  std::filesystem::create_directory(checked);
  MovesTheDirectory moves(checked, elsewhere);
  {
    const test::Installed installed(moves);
    const auto claimed = Claim::make(at(checked + "/x.sock"), {});
    ASSERT_TRUE(claimed) << claimed.error().explain();
    EXPECT_EQ(listing(elsewhere), (std::vector<std::string>{".x.sock.lock", "x.sock"}));
    EXPECT_EQ(listing(checked), std::vector<std::string>());
  }
  EXPECT_EQ(listing(elsewhere), (std::vector<std::string>{".x.sock.lock"}));
}

#endif

TEST_F(ClaimOfAPath, IsNotTakenFromALivingOne) {
  const auto first = claim();
  ASSERT_TRUE(first);
  const ino_t inode = status().st_ino;
  const auto second = claim();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().cause(), Cause::held);
  EXPECT_EQ(second.error().explain(), path_ + " is held by pid " + std::to_string(::getpid()) +
                                          " (" + os::program_of(::getpid()) + ")");
  EXPECT_EQ(status().st_ino, inode);
}

TEST_F(ClaimOfAPath, IsNotTakenFromALivingOneWhoseLockACleanerRemoved) {
  const auto first = claim();
  ASSERT_TRUE(first);
  ::unlink((directory_ / ".x.sock.lock").c_str());
  const auto second = claim();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().cause(), Cause::held);
  EXPECT_NE(second.error().detail().find("pid " + std::to_string(::getpid())), std::string::npos);
  EXPECT_TRUE(reach(path_));
}

TEST_F(ClaimOfAPath, IsNotTakenFromAForeignServerThatDoesNotListenYet) {
  const auto foreign = os::stream_socket();
  ASSERT_TRUE(os::bind(foreign->get(), os::SocketAddress::of_path(path_)));
  const auto claimed = claim();
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().cause(), Cause::held) << claimed.error().explain();
  ASSERT_TRUE(os::listen(foreign->get(), 1));
  EXPECT_TRUE(reach(path_));
}

TEST_F(ClaimOfAPath, IsNotTakenFromAForeignServerWithAFullBacklog) {
  const auto foreign = os::stream_socket();
  ASSERT_TRUE(os::bind(foreign->get(), os::SocketAddress::of_path(path_)));
  ASSERT_TRUE(os::listen(foreign->get(), 0));
  const auto waiting = reach(path_);
  EXPECT_EQ(claim().error().cause(), Cause::held);
}

TEST_F(ClaimOfAPath, ReplacesADeadSocketAlsoWithoutARecordOfIt) {
  leave_dead_socket();
  const auto claimed = claim();
  ASSERT_TRUE(claimed) << claimed.error().explain();
  EXPECT_TRUE(reach(path_));
}

TEST_F(ClaimOfAPath, ReplacesWhatAKilledServerLeft) {
  auto server = Process::fork([&] {
    const auto claimed = claim();
    std::puts(claimed ? "ready" : "failed");
    std::fflush(stdout);
    return ::pause();
  });
  ASSERT_TRUE(server.wait_for_output("ready"));
  server.kill(SIGKILL);
  ASSERT_EQ(server.wait(), -SIGKILL);
  EXPECT_EQ(reach(path_).error().cause(), Cause::no_server);
  EXPECT_TRUE(claim());
}

TEST_F(ClaimOfAPath, LeavesADeadSocketOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a socket away needs root";
  leave_dead_socket(stranger);
  const auto claimed = claim();
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().cause(), Cause::path);
  EXPECT_NE(claimed.error().detail().find("a socket of uid 65531"), std::string::npos);
  EXPECT_TRUE(S_ISSOCK(status().st_mode));
}

TEST_F(ClaimOfAPath, PutsBackWhatACrashLeftExchanged) {
  leave_dead_socket();  // was to be published, and was exchanged with what came in between
  test::write_file(directory_ / ".x.sock.new", "a user's text");
  path::LockRecord record{.pid = 1, .program = {}, .sockets = {os::id_of(status())}};
  test::write_file(directory_ / ".x.sock.lock", record.text());
  const auto claimed = claim();
  ASSERT_FALSE(claimed);
  EXPECT_NE(claimed.error().detail().find("is a regular file"), std::string::npos)
      << claimed.error().detail();
  EXPECT_EQ(test::read_file(path_), "a user's text");
  EXPECT_EQ(listing(directory_.path()), (std::vector<std::string>{".x.sock.lock", "x.sock"}));
}

TEST_F(ClaimOfAPath, DoesNotRemoveWhatTookItsPlace) {
  auto claimed = claim();
  ASSERT_TRUE(claimed);
  ::unlink(path_.c_str());
  test::write_file(path_, "a user's text");
  const timespec before = status().st_ctim;
  claimed->remove();
  EXPECT_EQ(test::read_file(path_), "a user's text");
  EXPECT_EQ(status().st_ctim.tv_nsec, before.tv_nsec);  // it was not even moved
}

TEST_F(ClaimOfAPath, StaysOpenForItsBacklogAfterItsPathIsRemoved) {
  auto claimed = claim();
  const auto waiting = reach(path_);
  claimed->remove();
  claimed->remove();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(claimed->accept());
  EXPECT_TRUE(claim());
}

TEST_F(ClaimOfAPath, IsRefusedWhereOthersCouldReplaceIt) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0777), 0);
  const auto claimed = claim();
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().cause(), Cause::path);
  EXPECT_EQ(listing(directory_.path()), std::vector<std::string>());
}

TEST_F(ClaimOfAPath, RefusesWrongArguments) {
  EXPECT_EQ(claim({.mode = 04600}).error().cause(), Cause::usage);
  EXPECT_EQ(claim({.group = "no such group"}).error().cause(), Cause::usage);
  EXPECT_EQ(Claim::make(at("exec:cat"), {}).error().cause(), Cause::usage);
  EXPECT_EQ(listing(directory_.path()), std::vector<std::string>());
}

TEST_F(ClaimOfAPath, HandsOverNothingButAPathThatIsItsOwn) {
  EXPECT_EQ(Claim::make(at("fd:987654"), {}).error().cause(), Cause::usage);
  const auto adopt = [&](const std::string& address, mode_t mode) {
    return Claim::adopt(at(address), {.mode = mode}, {}).error().cause();
  };
  EXPECT_EQ(adopt(path_, 04600), Cause::usage);
  EXPECT_EQ(adopt(path_, 0600), Cause::held);  // without listener and lock
  EXPECT_EQ(adopt("fd:3", 0600), Cause::unsupported);
  auto gone = claim();
  ASSERT_TRUE(gone);
  gone->remove();
  EXPECT_EQ(gone->hand_over().error().cause(), Cause::unsupported);
  auto abstract = Claim::make(at("unix-abstract:" + directory_.path()),
                              {.allow = {.uids = {::geteuid()}}, .abstract = true});
  ASSERT_TRUE(abstract);
  EXPECT_EQ(abstract->hand_over().error().cause(), Cause::unsupported);
}

TEST_F(ClaimOfAPath, GivesTheSocketItsGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "any group needs root";
  const auto claimed = claim({.mode = 0660, .group = "4242"});
  ASSERT_TRUE(claimed);
  EXPECT_EQ(status().st_gid, 4242u);
  EXPECT_EQ(status().st_mode & 07777, 0660u);
}

TEST_F(ClaimOfAPath, SaysWhoMayNotGiveItToAGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming other users needs root";
  ASSERT_EQ(::chown(directory_.path().c_str(), stranger, stranger), 0);
  EXPECT_EQ(test::run_as(stranger,
                         [&] {
                           const auto claimed = claim({.mode = 0660, .group = "root"});
                           const bool told = !claimed && claimed.error().cause() == Cause::refused;
                           return told && listing(directory_.path()).size() == 1 ? 0 : 1;
                         }),
            0);
}

TEST_F(ClaimOfAPath, MovesInFromAClaimWithoutLosingEither) {
  auto first = claim();
  auto other = Claim::make(at(directory_ / "y.sock"), {});
  ASSERT_TRUE(first && other);
  *first = std::move(*other);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(reach(directory_ / "y.sock"));
}

TEST_F(ClaimOfAPath, LeavesNothingToAProgramThatIsExecuted) {
  const auto claimed = claim();
  const auto client = reach(path_);
  for (const std::string& number : listing("/proc/self/fd")) {
    const int flags = ::fcntl(std::stoi(number), F_GETFD);
    struct stat status = {};
    if (flags < 0 || ::fstat(std::stoi(number), &status) < 0 || !S_ISSOCK(status.st_mode)) continue;
    EXPECT_EQ(flags, FD_CLOEXEC) << number;
  }
  const Descriptor lock(::open((directory_ / ".x.sock.lock").c_str(), O_RDONLY | O_CLOEXEC));
  auto program = Process::run({"sh", "-c", "ls -l /proc/self/fd"});
  ASSERT_EQ(program.wait(), 0);
  EXPECT_EQ(program.output().find(directory_.path()), std::string::npos) << program.output();
}

class Fork : public ClaimOfAPath {};

TEST_F(Fork, LeavesTheChildNeitherLockNorListener) {
  std::optional<Claim> claimed = std::move(*claim());
  auto child = Process::fork([&] {
    const bool closed = claimed->fd() == -1;
    claimed.reset();  // must not remove the parent's path
    std::puts("forked");
    std::fflush(stdout);
    return closed ? ::pause() : 1;
  });
  ASSERT_TRUE(child.wait_for_output("forked"));
  EXPECT_TRUE(child.running());
  EXPECT_TRUE(reach(path_));
  claimed.reset();
  EXPECT_EQ(reach(path_).error().cause(), Cause::no_server);
  EXPECT_TRUE(claim());  // though the child lives
}

TEST(ClaimOfAnAbstractName, NeedsConsentAndRules) {
  const std::string name = "unix-abstract:tincan-test-" + std::to_string(::getpid());
  EXPECT_EQ(Claim::make(at(name), {.allow = {.uids = {0}}}).error().cause(), Cause::usage);
  EXPECT_EQ(Claim::make(at(name), {.abstract = true}).error().cause(), Cause::usage);
  const ListenOptions options{.allow = {.uids = {::geteuid()}}, .abstract = true};
  EXPECT_EQ(reach(name).error().cause(), Cause::no_server);
  auto claimed = Claim::make(at(name), options);
  ASSERT_TRUE(claimed) << claimed.error().explain();
  EXPECT_TRUE(reach(name));
  const auto second = Claim::make(at(name), options);
  EXPECT_EQ(second.error().cause(), Cause::held);
  EXPECT_NE(second.error().detail().find("pid " + std::to_string(::getpid())), std::string::npos);
}

}  // namespace
}  // namespace tincan::path
