// Promise 10: the socket is never open wider than asked, and exactly as open afterwards.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "path/claim.h"
#include "support/address.h"
#include "support/process.h"
#include "support/seam.h"
#include "support/temporary_directory.h"
#include "support/user.h"

namespace tincan {
namespace {

using test::at;
using test::Process;
using test::stranger;

mode_t mode_of(const std::string& path) {
  struct stat status = {};
  ::lstat(path.c_str(), &status);
  return status.st_mode & 07777;
}

TEST(ClaimRights, AreAsAskedUnderAnyUmask) {
  for (const mode_t mask : {000, 022, 077, 0777}) {
    for (const mode_t mode : {0600, 0660, 0666, 0620, 0000}) {
      const test::TemporaryDirectory directory;
      auto server = Process::fork([&] {
        ::umask(mask);
        const auto claim = path::Claim::make(at(directory / "x"), {.mode = mode});
        if (!claim || mode_of(directory / "x") != mode) return 1;
        return ::umask(0) == mask ? 0 : 2;  // it is as it was
      });
      EXPECT_EQ(server.wait(), 0) << std::oct << "umask " << mask << ", mode " << mode;
    }
  }
}

#ifdef TINCAN_SEAM

/// Looks, before every call, at whether anybody but the owner could connect.
class Watch : public os::Seam {
 public:
  Watch(const std::string& directory, mode_t widest) : directory_(directory), widest_(widest) {}
  int before(os::Call, std::size_t*) override {
    for (const char* name : {"/x.sock", "/.x.sock.new"}) {
      struct stat status;
      if (::lstat((directory_ + name).c_str(), &status) == 0 &&
          (status.st_mode & 0777 & ~widest_) != 0) {
        wider_ = true;
      }
      // While the group is not the one asked for, nobody but the owner may connect.
      if (::lstat((directory_ + name).c_str(), &status) == 0 && status.st_gid != 4242 &&
          (status.st_mode & 0077) != 0) {
        wider_ = true;
      }
    }
    return 0;
  }
  [[nodiscard]] bool wider() const { return wider_; }

 private:
  std::string directory_;
  mode_t widest_;
  bool wider_ = false;
};

TEST(ClaimRights, AreAtNoCallWiderThanAsked) {
  if (::geteuid() != 0) GTEST_SKIP() << "any group needs root";
  for (const mode_t mode : {0600, 0660}) {
    const test::TemporaryDirectory directory;
    const mode_t mask = ::umask(0);
    Watch watch(directory.path(), mode);
    {
      const test::Installed installed(watch);
      EXPECT_TRUE(path::Claim::make(at(directory / "x.sock"), {.mode = mode, .group = "4242"}));
    }
    ::umask(mask);
    EXPECT_FALSE(watch.wider());
  }
}

TEST(ClaimRights, LetNoIntruderInDuringAThousandStarts) {
  if (::geteuid() != 0) GTEST_SKIP() << "an intruder of another uid needs root";
  const test::TemporaryDirectory directory(0755);
  auto intruder = Process::fork([&] {
    if (!test::become(stranger)) return 9;
    std::puts("trying");
    std::fflush(stdout);
    while (true) {
      for (const char* name : {"/x.sock", "/.x.sock.new"}) {
        const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        std::strcpy(address.sun_path, (directory.path() + name).c_str());
        if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return 1;
        ::close(socket);
      }
    }
  });
  ASSERT_TRUE(intruder.wait_for_output("trying"));
  const mode_t mask = ::umask(0);
  for (int i = 0; i < 1000; ++i) {
    const auto claim = path::Claim::make(at(directory / "x.sock"), {.mode = 0600});
    ASSERT_TRUE(claim);
  }
  ::umask(mask);
  EXPECT_TRUE(intruder.running()) << "an intruder got in";
}

#endif

TEST(ClaimRights, LetTheGroupInWhenAsked) {
  if (::geteuid() != 0) GTEST_SKIP() << "another group needs root";
  const test::TemporaryDirectory directory(0755);
  const auto claim = path::Claim::make(at(directory / "x"), {.mode = 0660, .group = "4242"});
  ASSERT_TRUE(claim);
  const auto connects = [&] {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strcpy(address.sun_path, (directory / "x").c_str());
    return ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 1 : 0;
  };
  EXPECT_EQ(test::run_as(stranger, connects, {4242}), 1);
  EXPECT_EQ(test::run_as(stranger, connects, {4243}), 0);
}

}  // namespace
}  // namespace tincan
