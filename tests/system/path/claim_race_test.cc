// Promise 9: two servers never both own a path.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/socket.h"
#include "path/claim.h"
#include "path/connect.h"
#include "support/process.h"
#include "support/rounds.h"
#include "support/seam.h"
#include "support/temporary_directory.h"
#include "system/path/naive_claim.h"

#ifdef TINCAN_SEAM

namespace tincan {
namespace {

using test::Process;

constexpr int starters = 4;

/// Claims a path and keeps it; false when it could not be had.
using Starter = std::function<bool(const std::string& path)>;

bool start_tincan(const std::string& path) {
  static std::optional<path::Claim> claim;
  auto made = path::Claim::make(Address::parse(path).value(), {});
  if (made) claim.emplace(std::move(*made));
  if (!made) std::puts(made.error().explain().c_str());
  return made.has_value();
}

bool start_naively(const std::string& path) {
  static Descriptor socket;
  auto claimed = test::naive_claim(path);
  if (claimed) socket = std::move(*claimed);
  return claimed.has_value();
}

/// One round: all start at once; the result says who believes to own the path.
class Round {
 public:
  Round(const std::string& path, const Starter& start, unsigned seed) {
    int gate[2];
    if (::pipe2(gate, O_CLOEXEC) < 0) return;
    for (int i = 0; i < starters; ++i) {
      processes_.push_back(Process::fork([&, i] {
        ::close(gate[1]);
        char byte;
        [[maybe_unused]] const auto opened = ::read(gate[0], &byte, 1);
        test::Delays delays(seed * starters + static_cast<unsigned>(i));
        const test::Installed installed(delays);
        std::puts(start(path) ? "won" : "lost");
        std::fflush(stdout);
        return ::pause();
      }));
    }
    ::close(gate[0]);
    ::close(gate[1]);
  }

  std::vector<pid_t> owners() {
    std::vector<pid_t> pids;
    for (Process& process : processes_) {
      EXPECT_TRUE(test::eventually([&] {
        const std::string& said = process.output();
        return said.find("won\n") != std::string::npos || said.find("lost\n") != std::string::npos;
      })) << process.output();
      if (process.output().find("won\n") != std::string::npos) pids.push_back(process.pid());
      said_ += process.output();
    }
    return pids;
  }
  /// Everything the starters said, for a message.
  [[nodiscard]] const std::string& said() const { return said_; }

 private:
  std::vector<Process> processes_;  // killed, not ended: each round finds a dead socket
  std::string said_;
};

TEST(ClaimRace, HasExactlyOneWinnerWhoIsReached) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "x.sock";
  for (int i = 0; i < test::rounds(60, 600); ++i) {
    Round round(path, start_tincan, static_cast<unsigned>(i));
    const auto owners = round.owners();
    ASSERT_EQ(owners.size(), 1u) << "round " << i << "\n" << round.said();
    const auto reached = path::connect(Address::parse(path).value(), Moment::never(), {});
    ASSERT_TRUE(reached) << reached.error().explain();
    EXPECT_EQ(reached->peer.pid(), owners.front());
  }
}

TEST(ClaimRace, IsLostByANaiveClaim) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "x.sock";
  int rounds_with_two_owners = 0;
  for (int i = 0; i < test::rounds(60, 600); ++i) {
    Round round(path, start_naively, static_cast<unsigned>(i));
    rounds_with_two_owners += round.owners().size() > 1 ? 1 : 0;
  }
  EXPECT_GT(rounds_with_two_owners, 0) << "this test cannot see two owners";
}

/// A cleaner that removes the lock again and again cannot make two owners either.
TEST(ClaimRace, HasNoTwoWinnersThoughTheLockIsRemovedAllTheTime) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "x.sock";
  const std::string lock = directory / ".x.sock.lock";
  auto cleaner = Process::fork([&] {
    while (true) {
      ::unlink(lock.c_str());
      ::poll(nullptr, 0, 1);
    }
    return 0;
  });
  for (int i = 0; i < test::rounds(30, 300); ++i) {
    Round round(path, start_tincan, static_cast<unsigned>(1000 + i));
    EXPECT_LE(round.owners().size(), 1u) << "round " << i << "\n" << round.said();
  }
}

/// Removes a file before the n-th call.
class RemoveAt : public os::Seam {
 public:
  RemoveAt(int n, const std::string& path) : n_(n), path_(path) {}
  int before(os::Call, std::size_t*) override {
    if (++calls_ == n_) ::unlink(path_.c_str());
    return 0;
  }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  int n_;
  int calls_ = 0;
  const std::string& path_;
};

/// Who removes the lock in the middle of a start would let a second starter in beside the first.
TEST(ClaimRace, HoldsTheLockThatHasItsNameAlsoWhenACleanerRemovedOne) {
  // After its last look at the lock a claim looks at the path once more, and is done.
  constexpr int calls_after_the_last_look = 2;
  for (int n = 1; n < 200; ++n) {
    const test::TemporaryDirectory directory;
    const std::string lock = directory / ".x.sock.lock";
    RemoveAt cleaner(n, lock);
    const test::Installed installed(cleaner);
    const auto claim = path::Claim::make(Address::parse(directory / "x.sock").value(), {});
    ASSERT_TRUE(claim) << "removed at call " << n << ": " << claim.error().explain();
    if (cleaner.calls() < n + calls_after_the_last_look) break;
    const Descriptor again(::open(lock.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(again) << "removed at call " << n;
    EXPECT_EQ(::flock(again.get(), LOCK_EX | LOCK_NB), -1) << "removed at call " << n;
  }
}

}  // namespace
}  // namespace tincan

#endif
