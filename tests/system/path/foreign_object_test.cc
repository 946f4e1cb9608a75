// Promise 9: nothing that is not our own dead socket is ever removed or changed.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <functional>
#include <optional>

#include "os/file.h"
#include "os/socket.h"
#include "path/claim.h"
#include "support/seam.h"
#include "support/temporary_directory.h"
#include "support/user.h"

namespace tincan {
namespace {

using test::TemporaryDirectory;

/// Something that may stand where a socket is wanted, and how a refusal calls it.
struct Object {
  const char* called;
  std::function<void(const std::string& path)> make;
};

const Object objects[] = {
    {"a regular file", [](const std::string& path) { test::write_file(path, "a user's text"); }},
    {"a directory", [](const std::string& path) { ::mkdir(path.c_str(), 0700); }},
    {"a symbolic link",
     [](const std::string& path) { ASSERT_EQ(::symlink("target", path.c_str()), 0); }},
    {"a FIFO", [](const std::string& path) { ::mkfifo(path.c_str(), 0600); }},
    {"a device",
     [](const std::string& path) { ::mknod(path.c_str(), S_IFCHR | 0600, makedev(1, 3)); }},
    {"a socket of uid 65531",
     [](const std::string& path) {
       const auto socket = os::stream_socket();
       ASSERT_TRUE(os::bind(socket->get(), os::SocketAddress::of_path(path)));
       ASSERT_EQ(::chown(path.c_str(), test::stranger, 0), 0);
     }},
};

/// Everything about a file that a claim could change, but for what looking at it changes.
struct Trace {
  explicit Trace(const std::string& path) { ::lstat(path.c_str(), &status); }
  bool operator==(const Trace& other) const {
    return os::id_of(status) == os::id_of(other.status) && status.st_mode == other.status.st_mode &&
           status.st_uid == other.status.st_uid && status.st_size == other.status.st_size &&
           status.st_ctim.tv_sec == other.status.st_ctim.tv_sec &&
           status.st_ctim.tv_nsec == other.status.st_ctim.tv_nsec;
  }
  struct stat status = {};
};

class ForeignObject : public ::testing::TestWithParam<Object> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "devices and other users' sockets need root";
  }
  Result<path::Claim> claim() { return path::Claim::make(Address::parse(path_).value(), {}); }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "x.sock";
};

TEST_P(ForeignObject, IsNamedAndUntouched) {
  GetParam().make(path_);
  const Trace before(path_);
  const auto refused = claim();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::path);
  EXPECT_TRUE(refused.error().detail().starts_with(path_ + " is " + GetParam().called))
      << refused.error().detail();
  EXPECT_TRUE(Trace(path_) == before);
}

TEST_P(ForeignObject, AtTheTemporaryNameIsNamedAndUntouched) {
  GetParam().make(directory_ / ".x.sock.new");
  const Trace before(directory_ / ".x.sock.new");
  const auto refused = claim();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::path);
  EXPECT_NE(refused.error().detail().find(".x.sock.new is in the way"), std::string::npos);
  EXPECT_TRUE(Trace(directory_ / ".x.sock.new") == before);
}

#ifdef TINCAN_SEAM

/// Puts the object at the path before the n-th call, whatever stood there.
class Intrude : public os::Seam {
 public:
  Intrude(int n, const std::string& path, const Object& object)
      : left_(n), path_(path), object_(object) {}
  int before(os::Call, std::size_t*) override {
    if (--left_ == 0) {
      ::unlink(path_.c_str());
      object_.make(path_);
      trace.emplace(path_);
    }
    return 0;
  }
  std::optional<Trace> trace;

 private:
  int left_;
  const std::string& path_;
  const Object& object_;
};

/// Whatever moment the object appears at, it is there afterwards, or its ctime tells that it was
/// moved aside and put back.
TEST_P(ForeignObject, ThatAppearsInTheMiddleOfAStartOrStopIsStillThere) {
  for (const bool dead_socket_first : {false, true}) {
    for (int n = 1; n < 200; ++n) {
      const TemporaryDirectory directory;
      const std::string path = directory / "x.sock";
      if (dead_socket_first) {
        const auto socket = os::stream_socket();
        ASSERT_TRUE(os::bind(socket->get(), os::SocketAddress::of_path(path)));
      }
      Intrude intrude(n, path, GetParam());
      {
        const test::Installed installed(intrude);
        const auto claim = path::Claim::make(Address::parse(path).value(), {});
      }
      if (!intrude.trace) break;
      const Trace after(path);
      EXPECT_EQ(os::id_of(after.status), os::id_of(intrude.trace->status)) << "call " << n;
      EXPECT_EQ(after.status.st_mode, intrude.trace->status.st_mode) << "call " << n;
      EXPECT_EQ(after.status.st_uid, intrude.trace->status.st_uid) << "call " << n;
    }
  }
}

#endif

INSTANTIATE_TEST_SUITE_P(Objects, ForeignObject, ::testing::ValuesIn(objects),
                         [](const auto& object) {
                           return "Object" + std::to_string(object.index);
                         });

}  // namespace
}  // namespace tincan
