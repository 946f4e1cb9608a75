#include "os/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <unistd.h>

#include "support/process.h"
#include "support/temporary_directory.h"

namespace tincan::os {
namespace {

using test::TemporaryDirectory;

class File : public ::testing::Test {
 protected:
  TemporaryDirectory directory_;
  Descriptor place_ = *open_directory(directory_.path());
};

TEST_F(File, DoesNotFollowALink) {
  test::write_file(directory_ / "real", "text");
  ASSERT_EQ(::symlink("real", (directory_ / "link").c_str()), 0);
  EXPECT_EQ(open_at(place_.get(), "link", O_RDWR).error().code, ELOOP);
  EXPECT_EQ(kind_of(*status_at(place_.get(), "link")), "a symbolic link");
  EXPECT_EQ(read_link_at(place_.get(), "link"), "real");
  EXPECT_TRUE(S_ISREG(status_of(open_path_at(place_.get(), "link")->get())->st_mode));
}

TEST_F(File, IsClosedOnExec) {
  const auto file = open_at(place_.get(), "new", O_RDWR | O_CREAT, 0600);
  EXPECT_EQ(::fcntl(file->get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(place_.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(File, RenamesOnlyAsAsked) {
  test::write_file(directory_ / "a", "A");
  test::write_file(directory_ / "b", "B");
  EXPECT_EQ(rename_at(place_.get(), "a", "b", RENAME_NOREPLACE).error().code, EEXIST);
  EXPECT_TRUE(rename_at(place_.get(), "a", "b", RENAME_EXCHANGE));
  EXPECT_EQ(test::read_file(directory_ / "a"), "B");
}

TEST_F(File, IsReplacedByShorterText) {
  const auto file = open_at(place_.get(), "record", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(write_whole(file->get(), "a long text"));
  ASSERT_TRUE(write_whole(file->get(), "short"));
  EXPECT_EQ(test::read_file(directory_ / "record"), "short");
  EXPECT_EQ(read_start(file->get(), 3), "sho");
}

TEST_F(File, TellsWhoHoldsItsLock) {
  const auto file = open_at(place_.get(), "lock", O_RDWR | O_CREAT, 0600);
  const FileId id = id_of(*status_of(file->get()));
  EXPECT_EQ(lock_holder(id), std::nullopt);
  ASSERT_TRUE(lock(file->get()));
  EXPECT_EQ(lock_holder(id), ::getpid());
  const auto again = open_at(place_.get(), "lock", O_RDWR);
  EXPECT_EQ(lock(again->get()).error().code, EWOULDBLOCK);
}

}  // namespace
}  // namespace tincan::os
