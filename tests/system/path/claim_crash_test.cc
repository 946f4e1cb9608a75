// Promise 8: nothing ever needs rm. Promise 16: every failure of a system call is handled.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "os/socket.h"
#include "path/claim.h"
#include "path/connect.h"
#include "support/process.h"
#include "support/seam.h"
#include "support/temporary_directory.h"
#include "support/user.h"

#ifdef TINCAN_SEAM

namespace tincan {
namespace {

using test::Process;
using test::TemporaryDirectory;

// More than any scenario has.
constexpr int calls_max = 200;

/// How a directory may look when a server starts.
struct Scene {
  const char* name;
  std::function<void(const TemporaryDirectory&)> set;
  bool has_temporary = false;
};

void leave_dead_socket(const std::string& path) {
  const auto socket = os::stream_socket();
  ASSERT_TRUE(os::bind(socket->get(), os::SocketAddress::of_path(path)));
}

const Scene scenes[] = {
    {"nothing there", [](const TemporaryDirectory&) {}},
    {"a dead socket", [](const TemporaryDirectory& in) { leave_dead_socket(in / "x.sock"); }},
    {"a dead socket at the temporary name",
     [](const TemporaryDirectory& in) { leave_dead_socket(in / ".x.sock.new"); }, true},
    {"both dead",
     [](const TemporaryDirectory& in) {
       leave_dead_socket(in / "x.sock");
       leave_dead_socket(in / ".x.sock.new");
     },
     true},
    {"a lock of another user",
     [](const TemporaryDirectory& in) {
       test::write_file(in / ".x.sock.lock", "tincan lock 1\npid 1\nend\n");
       [[maybe_unused]] const int given = ::chown((in / ".x.sock.lock").c_str(), test::stranger, 0);
       leave_dead_socket(in / "x.sock");
     }},
};

class Crash : public ::testing::TestWithParam<Scene> {
 protected:
  static Address at(const TemporaryDirectory& directory) {
    return Address::parse(directory / "x.sock").value();
  }
  static std::vector<std::string> listing(const TemporaryDirectory& directory) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
  /// The next start works, is reached, and leaves nothing but its lock when it ends.
  static void expect_next_start(const TemporaryDirectory& directory, const std::string& after) {
    auto next = path::Claim::make(at(directory), {});
    ASSERT_TRUE(next) << after << ": " << next.error().explain();
    const auto reached = path::connect(at(directory), Moment::never(), {});
    ASSERT_TRUE(reached) << after << ": " << reached.error().explain();
    EXPECT_EQ(listing(directory), (std::vector<std::string>{".x.sock.lock", "x.sock"})) << after;
    next->remove();
    EXPECT_EQ(listing(directory), (std::vector<std::string>{".x.sock.lock"})) << after;
  }
  static std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd"), end;
    return static_cast<std::size_t>(std::distance(all, end));
  }
};

TEST_P(Crash, AtAnyCallOfAStartIsMendedByTheNext) {
  int n = 1;
  for (; n < calls_max; ++n) {
    const TemporaryDirectory directory;
    GetParam().set(directory);
    auto server = Process::fork([&] {
      test::KillAt killer(n);
      const test::Installed installed(killer);
      return path::Claim::make(at(directory), {.mode = 0660}) ? (test::leave(0), 0) : 1;
    });
    const auto status = server.wait();
    ASSERT_TRUE(status == 0 || status == -SIGKILL) << "call " << n << ", status " << *status;
    expect_next_start(directory, "killed at call " + std::to_string(n));
    if (HasFatalFailure() || status == 0) break;
  }
  EXPECT_GT(n, 20) << "a start has more calls than that: is the seam in place?";
  EXPECT_LT(n, calls_max);
}

TEST_P(Crash, AtAnyCallOfAStopIsMendedByTheNextStart) {
  int n = 1;
  for (; n < calls_max; ++n) {
    const TemporaryDirectory directory;
    GetParam().set(directory);
    auto server = Process::fork([&] {
      auto claim = path::Claim::make(at(directory), {});
      test::KillAt killer(n);
      const test::Installed installed(killer);
      claim->remove();
      return 0;
    });
    const auto status = server.wait();
    ASSERT_TRUE(status == 0 || status == -SIGKILL) << "call " << n;
    expect_next_start(directory, "killed at call " + std::to_string(n));
    if (HasFatalFailure() || status == 0) break;
  }
  EXPECT_GT(n, 3);
  EXPECT_LT(n, calls_max);
}

TEST_P(Crash, FailureOfAnyCallOfAStartIsToldAndLeavesNothing) {
  for (const int error : {EIO, ENOMEM, EMFILE, EACCES, ENOSPC, EINVAL, ENOENT, EEXIST, EAGAIN}) {
    for (int n = 1; n < calls_max; ++n) {
      const TemporaryDirectory directory;
      GetParam().set(directory);
      const std::string what =
          "call " + std::to_string(n) + " failed with " + strerrorname_np(error);
      const std::size_t before = open_descriptors();
      test::FailAt fault(n, error);
      {
        const test::Installed installed(fault);
        const auto claim = path::Claim::make(at(directory), {.mode = 0660});
        if (!claim) {
          EXPECT_GT(claim.error().explain().size(), 20u) << what;
          const bool means_held = error == EAGAIN;  // of flock(2) and connect(2)
          EXPECT_TRUE(means_held || claim.error().cause() != Cause::held)
              << what << ": " << claim.error().explain();
          // Unless looking or removing is what failed, it tidied up.
          const bool may_stay = GetParam().has_temporary || fault.failed() == os::Call::stat ||
                                fault.failed() == os::Call::unlink;
          EXPECT_TRUE(may_stay || !std::filesystem::exists(directory / ".x.sock.new")) << what;
        } else {
          struct stat status = {};
          ::lstat((directory / "x.sock").c_str(), &status);
          EXPECT_EQ(status.st_mode & 07777, 0660u) << what;
        }
      }
      EXPECT_EQ(open_descriptors(), before) << what;
      expect_next_start(directory, what);
      if (HasFatalFailure() || !fault.reached()) break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scenes, Crash, ::testing::ValuesIn(scenes),
                         [](const auto& scene) { return "Scene" + std::to_string(scene.index); });

}  // namespace
}  // namespace tincan

#endif
