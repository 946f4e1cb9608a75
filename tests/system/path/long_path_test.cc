// Paths longer than sockaddr_un work, or are refused with a reason.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "path/claim.h"
#include "path/connect.h"
#include "support/address.h"
#include "support/process.h"
#include "support/temporary_directory.h"
#include "tincan/limits.h"

namespace tincan {
namespace {

using test::at;

/// A directory below `directory` whose path has about `bytes` bytes.
std::string deep(const test::TemporaryDirectory& directory, std::size_t bytes) {
  std::string path = directory.path();
  while (path.size() < bytes) {
    path += "/" + std::string(std::min<std::size_t>(200, bytes - path.size()), 'd');
    EXPECT_EQ(::mkdir(path.c_str(), 0700), 0) << path.size();
  }
  return path;
}

void expect_service(const std::string& path) {
  auto claim = path::Claim::make(at(path), {.mode = 0660});
  ASSERT_TRUE(claim) << claim.error().explain();
  EXPECT_EQ(path::Claim::make(at(path), {}).error().cause(), Cause::held);
  EXPECT_TRUE(path::connect(at(path), Moment::never(), {}));
  EXPECT_TRUE(path::try_connect(at(path), {}).value());
  claim->remove();
  const auto gone = path::connect(at(path), Moment::never(), {});
  EXPECT_EQ(gone.error().cause(), Cause::no_server) << gone.error().explain();
}

TEST(LongPath, WorksAtEveryLengthAroundTheKernelsLimit) {
  const test::TemporaryDirectory directory;
  for (std::size_t bytes = 80; bytes <= 130; ++bytes) {
    expect_service(directory.path() + "/" + std::string(bytes - directory.path().size() - 1, 'x'));
  }
}

TEST(LongPath, WorksInDeepDirectories) {
  for (const std::size_t bytes : {104u, 220u, 1000u, 4000u}) {
    const test::TemporaryDirectory directory;
    expect_service(deep(directory, bytes) + "/x.sock");
  }
}

TEST(LongPath, WorksWithLongNamesThatAreAlikeAtTheStart) {
  const test::TemporaryDirectory directory;
  const std::string one = directory / (std::string(240, 'x') + "1");
  const std::string other = directory / (std::string(240, 'x') + "2");
  const auto claim = path::Claim::make(at(one), {});
  ASSERT_TRUE(claim) << claim.error().explain();
  expect_service(other);
  EXPECT_TRUE(path::connect(at(one), Moment::never(), {}));
}

TEST(LongPath, IsReplacedAfterACrash) {
  const test::TemporaryDirectory directory;
  const std::string path = deep(directory, 300) + "/" + std::string(150, 'x');
  auto server = test::Process::fork(
      [&] { return path::Claim::make(at(path), {}) ? (test::leave(0), 0) : 1; });
  EXPECT_EQ(server.wait(), 0);
  expect_service(path);
}

TEST(LongPath, IsRefusedInWordsWhereLinuxHasNoRoom) {
  const test::TemporaryDirectory directory;
  const auto name = path::Claim::make(at(directory / std::string(251, 'x')), {});
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().cause(), Cause::path) << name.error().explain();
  EXPECT_NE(name.error().detail().find("251"), std::string::npos) << name.error().detail();
  EXPECT_EQ(
      path::connect(at(directory / std::string(256, 'x')), Moment::never(), {}).error().cause(),
      Cause::path);
}

}  // namespace
}  // namespace tincan
