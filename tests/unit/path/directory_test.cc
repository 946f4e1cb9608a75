#include "path/directory.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "os/socket.h"
#include "support/temporary_directory.h"
#include "support/user.h"

namespace tincan::path {
namespace {

using test::other_stranger;
using test::Process;
using test::stranger;
using test::TemporaryDirectory;

/// What check_directory says about a directory of that mode and owner; empty: nothing.
std::string verdict(const std::string& directory, mode_t mode, uid_t uid = ::geteuid(),
                    gid_t gid = ::getegid()) {
  EXPECT_EQ(::chown(directory.c_str(), uid, gid), 0);
  EXPECT_EQ(::chmod(directory.c_str(), mode), 0);
  const auto place = Place::open(directory + "/x.sock");
  if (!place) return place.error().explain();
  const auto checked = check_directory(*place);
  if (checked) return "";
  EXPECT_EQ(checked.error().cause(), Cause::path);
  return checked.error().explain();
}

TEST(Place, SplitsAPath) {
  EXPECT_EQ(Place::open("x")->directory_text, ".");
  EXPECT_EQ(Place::open("/x")->directory_text, "/");
  EXPECT_EQ(Place::open("/tmp/x")->directory_text, "/tmp");
  EXPECT_EQ(Place::open("/tmp/x")->name, "x");
  for (const char* path : {"/tmp/", "/", ".", "..", "/tmp/.."}) {
    EXPECT_EQ(Place::open(path).error().cause(), Cause::usage) << path;
  }
}

TEST(Place, SaysWhatIsWrongWithTheDirectory) {
  const TemporaryDirectory directory;
  const auto missing = Place::open(directory / "no/x");
  EXPECT_EQ(missing.error().cause(), Cause::path);
  EXPECT_NE(missing.error().detail().find("mkdir -p"), std::string::npos);
  test::write_file(directory / "file", "");
  EXPECT_EQ(Place::open(directory / "file/x").error().cause(), Cause::path);
}

TEST(CheckDirectory, AcceptsWhatOnlyWeAndRootCanWrite) {
  const TemporaryDirectory directory;
  for (const mode_t mode : {0700, 0755, 0750, 0711}) EXPECT_EQ(verdict(directory.path(), mode), "");
}

TEST(CheckDirectory, AcceptsAStickyOne) {
  const TemporaryDirectory directory;
  EXPECT_EQ(verdict(directory.path(), 01777), "");
  EXPECT_EQ(verdict(directory.path(), 01770), "");
}

TEST(CheckDirectory, NamesTheChmodThatMendsIt) {
  const TemporaryDirectory directory;
  const std::string said = verdict(directory.path(), 0777);
  EXPECT_NE(said.find("chmod go-w " + directory.path()), std::string::npos) << said;
  ASSERT_EQ(std::system(said.substr(said.find("chmod")).c_str()), 0);
  EXPECT_TRUE(check_directory(*Place::open(directory / "x")));
}

TEST(CheckDirectory, AcceptsAPrivateGroupAndNoOther) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a directory away needs root";
  const TemporaryDirectory directory;
  EXPECT_EQ(verdict(directory.path(), 0770, 0, 0), "");
  const std::string said = verdict(directory.path(), 0770, 0, 1);
  EXPECT_NE(said.find("chmod g-w " + directory.path()), std::string::npos) << said;
}

TEST(CheckDirectory, RefusesAStrangersDirectoryAlsoIfSticky) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a directory away needs root";
  const TemporaryDirectory directory;
  EXPECT_NE(verdict(directory.path(), 0755, stranger), "");
  EXPECT_NE(verdict(directory.path(), 01777, stranger), "");
}

/// A tree with a socket of the stranger in `outer`/`inner`.
class OnlyOwnerCanPublish : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "giving things away needs root";
    outer_ = std::make_unique<TemporaryDirectory>();
    // /tmp is sticky and so would end every walk: what is tried here lies below the root itself.
    root_ = "/tincan-test." + std::to_string(::getpid());
    inner_ = root_ + "/inner";
    socket_ = inner_ + "/x.sock";
    make(root_, 0, 0755);
    make(inner_, stranger, 0755);
    const auto socket = os::stream_socket();
    ASSERT_TRUE(os::bind(socket->get(), os::SocketAddress::of_path(socket_)));
    ASSERT_EQ(::chown(socket_.c_str(), stranger, stranger), 0);
  }
  void TearDown() override {
    std::error_code ignored;
    if (!root_.empty()) std::filesystem::remove_all(root_, ignored);
  }
  static void make(const std::string& path, uid_t owner, mode_t mode) {
    ::mkdir(path.c_str(), 0700);
    ASSERT_EQ(::chown(path.c_str(), owner, owner), 0);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }

  std::unique_ptr<TemporaryDirectory> outer_;
  std::string root_, inner_, socket_;
};

TEST_F(OnlyOwnerCanPublish, BelievesADaemonUnderItsOwnAccount) {
  EXPECT_TRUE(only_owner_can_publish(socket_, stranger));
  EXPECT_TRUE(only_owner_can_publish(root_ + "/./inner/../inner//x.sock", stranger));
}

TEST_F(OnlyOwnerCanPublish, WantsTheSocketToBeTheOwners) {
  EXPECT_FALSE(only_owner_can_publish(socket_, other_stranger));
  EXPECT_FALSE(only_owner_can_publish(inner_, stranger));
  EXPECT_FALSE(only_owner_can_publish(inner_ + "/none", stranger));
}

TEST_F(OnlyOwnerCanPublish, DistrustsDirectoriesThatOthersCanWrite) {
  ::chmod(inner_.c_str(), 0775);
  EXPECT_FALSE(only_owner_can_publish(socket_, stranger));
  ::chmod(inner_.c_str(), 01777);
  EXPECT_FALSE(only_owner_can_publish(socket_, stranger));
  ::chmod(inner_.c_str(), 0755);
  ::chmod(root_.c_str(), 01777);
  EXPECT_FALSE(only_owner_can_publish(socket_, stranger));
}

TEST_F(OnlyOwnerCanPublish, DistrustsDirectoriesOfThirdParties) {
  ASSERT_EQ(::chown(root_.c_str(), other_stranger, 0), 0);
  EXPECT_FALSE(only_owner_can_publish(socket_, stranger));
}

TEST_F(OnlyOwnerCanPublish, LooksAtWhereALinkStandsAndWhereItLeads) {
  const std::string link = root_ + "/link", planted = *outer_ / "link", loop = root_ + "/loop";
  ASSERT_EQ(::symlink("inner", link.c_str()), 0);
  EXPECT_TRUE(only_owner_can_publish(link + "/x.sock", stranger));
  ASSERT_EQ(::symlink(inner_.c_str(), planted.c_str()), 0);
  EXPECT_FALSE(only_owner_can_publish(planted + "/x.sock", stranger));  // it stands in /tmp
  ASSERT_EQ(::symlink("loop", loop.c_str()), 0);
  EXPECT_FALSE(only_owner_can_publish(loop + "/x.sock", stranger));
}

TEST_F(OnlyOwnerCanPublish, FollowsAPathFromTheWorkingDirectory) {
  const auto child = [&](const std::string& from, const std::string& path) {
    return Process::fork([&] {
             if (::chdir(from.c_str()) != 0) return 9;
             return only_owner_can_publish(path, stranger) ? 1 : 0;
           })
        .wait();
  };
  EXPECT_EQ(child(inner_, "x.sock"), 1);
  EXPECT_EQ(child(root_, "inner/x.sock"), 1);
  EXPECT_EQ(child(outer_->path(), "../.." + socket_), 0);  // /tmp is on the way
  ASSERT_EQ(::symlink(inner_.c_str(), (root_ + "/absolute").c_str()), 0);
  EXPECT_EQ(child(root_, "absolute/x.sock"), 1);
}

}  // namespace
}  // namespace tincan::path
