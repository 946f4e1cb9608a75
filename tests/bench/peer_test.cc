#include "trial/peer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "bench/failure_of.h"
#include "support/temporary_directory.h"

namespace bench {
namespace {

using namespace std::chrono_literals;

TEST(Peer, IsAWayInAProgramOfItsOwn) {
  const auto peer = describe_peer(TINCAN_BINARY_DIR "/tests/bench_peer");
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->name, "a peer");
  for (const Work work : peer->works) EXPECT_EQ(failure_of(*peer, work), "");
  WayEntry wrong = *peer;
  wrong.program = "/nowhere/peer";
  EXPECT_NE(failure_of(wrong, Work::round_trip).find("/nowhere/peer: No such file"),
            std::string::npos);
}

/// How a round ends with a peer that is no more than lying_peer.py, under another name.
std::string failure_of_liar(const std::string& lie) {
  const tincan::test::TemporaryDirectory folder;
  const std::string program = folder / lie;
  std::filesystem::create_symlink(TINCAN_SOURCE_DIR "/tests/bench/lying_peer.py", program);
  const WayEntry way = {
      .name = "liar", .does = "", .works = {Work::round_trip}, .make = {}, .program = program};
  std::string failure;
  try {
    Trial trial(way, {.work = Work::round_trip, .bytes = 100}, Placement::free, 2s);
    static_cast<void>(trial.run(20));
  } catch (const TrialFailed& failed) {
    failure = failed.what();
  }
  return failure;
}

TEST(Peer, IsNotBelievedWhatCannotBe) {
  constexpr const char* no_sense = "liar: its process says what makes no sense";
  EXPECT_EQ(failure_of_liar("nothing"), "");
  EXPECT_EQ(failure_of_liar("operations"),
            "liar: its process says that it did 21 operations in place of 20");
  EXPECT_EQ(failure_of_liar("wall"), "liar: its process says that a round took no time");
  EXPECT_EQ(failure_of_liar("times"), "liar: its process has measured 1 times of 20 operations");
  for (const char* const lie : {"backwards", "far", "buckets", "words"}) {
    EXPECT_EQ(failure_of_liar(lie), no_sense) << lie;
  }
}

TEST(Peer, WhoseServerSaysWhatNobodyHasAskedIsGivenUp) {
  EXPECT_EQ(failure_of_liar("talks"), "liar: server: it says something that nobody has asked");
}

TEST(Peer, ThatStopsInTheMiddleOfWhatItSaysIsNotWaitedForLonger) {
  EXPECT_EQ(failure_of_liar("half"), "liar: nothing has come back for 2 s: given up");
  EXPECT_EQ(failure_of_liar("more"), "liar: nothing has come back for 2 s: given up");
}

TEST(Peer, IsNoProgramThatSaysSomethingElse) {
  EXPECT_FALSE(describe_peer("/bin/echo"));
  EXPECT_FALSE(describe_peer("/nowhere/peer"));
  EXPECT_FALSE(describe_peer("/usr/bin/yes"));  // without an end
}

// No shell comes near it.
TEST(Peer, MayBeCalledAnything) {
  const tincan::test::TemporaryDirectory folder;
  const std::string name = folder / "it's $(a) \"peer\"";
  std::filesystem::create_symlink(TINCAN_BINARY_DIR "/tests/bench_peer", name);
  EXPECT_TRUE(describe_peer(name));
}

}  // namespace
}  // namespace bench
