// What tells a good way from one that loses, corrupts, delays or hangs.

#include "trial/trial.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/temporary_directory.h"
#include "ways/socket_ends.h"

namespace bench {
namespace {

using namespace std::chrono_literals;

enum class Fault {
  none,
  lose,
  twice,
  corrupt,
  cut,
  mix_up,
  delay,
  stall,
  hang,
  end,
  die,
  fail,
  client_dies
};

constexpr std::uint64_t bad_message = 20;

void rest(std::chrono::nanoseconds time) {
  const timespec duration = {.tv_sec = 0, .tv_nsec = time.count()};
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, nullptr);
}

/// Does one thing wrong with the messages that it sends.
class FaultyEnd final : public End {
 public:
  FaultyEnd(Descriptor socket, const Task& task, Fault fault)
      : end_(std::move(socket), task, false), fault_(fault) {}

  void send(std::span<const std::byte> message) override {
    const bool is_bad = sent_++ == bad_message;
    std::vector<std::byte> copy(message.begin(), message.end());
    if (fault_ == Fault::delay && sent_ % 10 == 0) rest(2ms);
    if (fault_ == Fault::stall && is_bad) rest(30ms);
    if (is_bad && fault_ == Fault::lose) return;
    if (is_bad && fault_ == Fault::client_dies) ::raise(SIGKILL);
    if (is_bad && fault_ == Fault::corrupt) copy[copy.size() / 2] ^= std::byte{4};
    if (is_bad && fault_ == Fault::cut) copy.pop_back();
    if (fault_ == Fault::mix_up && is_bad) return kept_.swap(copy);
    end_.send(copy);
    if (is_bad && fault_ == Fault::twice) end_.send(copy);
    if (!kept_.empty()) end_.send(std::exchange(kept_, {}));
  }
  std::span<const std::byte> receive(std::size_t bytes) override { return end_.receive(bytes); }

 private:
  SocketEnd end_;
  const Fault fault_;
  std::uint64_t sent_ = 0;
  std::vector<std::byte> kept_;
};

class FaultyWay : public Way {
 public:
  explicit FaultyWay(Fault fault) : fault_(fault) {}
  void prepare(const Task& task) override {
    Way::prepare(task);
    demand(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends_) == 0, "socketpair");
  }
  void serve(const std::function<void()>& ready) override {
    serve_and_then(ready, [] {});
  }
  /// Calls `after` when a message was served.
  void serve_and_then(const std::function<void()>& ready, const std::function<void()>& after) {
    ready();
    SocketEnd end(Descriptor(ends_[1]), task(), false);
    Receiver receiver = receiver_for(task());
    for (std::uint64_t i = 0; serve_one(end, receiver, task()); ++i) {
      after();
      if (i < bad_message) continue;
      if (fault_ == Fault::hang) ::pause();
      if (fault_ == Fault::end) ::_exit(3);
      if (fault_ == Fault::die) ::raise(SIGKILL);
      if (fault_ == Fault::fail) throw std::runtime_error("the disk is full");
    }
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    return std::make_unique<EndCaller>(
        std::make_unique<FaultyEnd>(Descriptor(ends_[0]), task(), fault_));
  }

 private:
  const Fault fault_;
  int ends_[2];
};

WayEntry way_with(Fault fault) {
  return {.name = "faulty", .does = "", .works = {}, .make = [fault] {
            return std::make_unique<FaultyWay>(fault);
          }};
}

/// How a round of it ends; empty: well.
std::string failure_of(Fault fault, Work work) {
  const WayEntry way = way_with(fault);
  try {
    Trial trial(way, {.work = work, .bytes = 200}, Placement::free, 500ms);
    [[maybe_unused]] const Round round = trial.run(100);
    return {};
  } catch (const TrialFailed& failed) {
    return failed.what();
  }
}

struct Expected {
  const char* name;
  Fault fault;
  const char* one_way;
  const char* round_trip;
};

class Faults : public ::testing::TestWithParam<Expected> {};

TEST_P(Faults, AreFoundAndNamed) {
  EXPECT_NE(failure_of(GetParam().fault, Work::one_way).find(GetParam().one_way), std::string::npos)
      << failure_of(GetParam().fault, Work::one_way);
  EXPECT_NE(failure_of(GetParam().fault, Work::round_trip).find(GetParam().round_trip),
            std::string::npos)
      << failure_of(GetParam().fault, Work::round_trip);
}

constexpr const char* given_up = "faulty: nothing has come back for";
INSTANTIATE_TEST_SUITE_P(
    OfAWay, Faults,
    ::testing::Values(
        Expected{"lose", Fault::lose, "messages are lost: 1 before message 21", given_up},
        Expected{"twice", Fault::twice, "came again, or too late, in place of message 21",
                 "came again, or too late, in place of message 21"},
        Expected{"corrupt", Fault::corrupt,
                 "message 20 is not what was sent: it differs at byte 100",
                 "message 20 is not what was sent: it differs at byte 100"},
        Expected{"cut", Fault::cut, "message 20 has 199 bytes in place of 200",
                 "message 20 has 199 bytes in place of 200"},
        Expected{"mix_up", Fault::mix_up, "messages are lost: 1 before message 21", given_up},
        Expected{"hang", Fault::hang, given_up, given_up},
        Expected{
            "end", Fault::end,
            "server: the server has ended without a word: its process has ended with status 3",
            "server: the server has ended without a word: its process has ended with status 3"},
        Expected{"die", Fault::die, "without a word: its process was killed by SIGKILL",
                 "without a word: its process was killed by SIGKILL"},
        Expected{"client_dies", Fault::client_dies, "faulty: its process was killed by SIGKILL",
                 "faulty: its process was killed by SIGKILL"},
        Expected{"fail", Fault::fail, "server: the disk is full", "server: the disk is full"}),
    [](const auto& fault) { return fault.param.name; });

/// The server, and the client, of the only trial.
std::vector<pid_t> both_processes() {
  std::vector<pid_t> children;
  std::ifstream of_this_process("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (pid_t child; of_this_process >> child;) children.push_back(child);
  return children;
}

// Its server may fail as it answers: that is not why.
TEST(Trial, WhoseClientIsKilledAtWorkSaysSo) {
  const auto way = std::ranges::find(ways(), "unix stream", &WayEntry::name);
  for (int i = 0; i < 20; ++i) {
    Trial trial(*way, {.work = Work::round_trip, .bytes = 200}, Placement::free);
    const pid_t client = both_processes().back();
    const Usage before = usage_of(client);
    std::thread killer([&] {
      while (usage_of(client).switches < before.switches + 50) std::this_thread::yield();
      ::kill(client, SIGKILL);
    });
    try {
      static_cast<void>(trial.run(10'000'000));
      ADD_FAILURE() << "it went on";
    } catch (const TrialFailed& failed) {
      EXPECT_EQ(failed.why(), "its process was killed by SIGKILL");
    }
    killer.join();
  }
}

TEST(Trial, WhoseClientIsKilledBetweenRoundsSaysSo) {
  const WayEntry way = way_with(Fault::none);
  Trial trial(way, {.work = Work::round_trip, .bytes = 200}, Placement::free);
  static_cast<void>(trial.run(10));
  const std::vector<pid_t> children = both_processes();
  ASSERT_EQ(children.size(), 2u);
  ASSERT_EQ(::kill(children.back(), SIGKILL), 0);
  siginfo_t ended;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(children.back()), &ended, WEXITED | WNOWAIT), 0);
  try {
    static_cast<void>(trial.run(10));
    FAIL() << "it went on";
  } catch (const TrialFailed& failed) {
    EXPECT_EQ(failed.why(), "its process was killed by SIGKILL");
  }
}

TEST(Trial, CountsWhatItsProcessesDo) {
  const WayEntry way = way_with(Fault::none);
  Trial trial(way, {.work = Work::round_trip, .bytes = 200}, Placement::free);
  trial.warm_up();
  const Round round = trial.run(500);
  EXPECT_EQ(round.operations, 500u);
  EXPECT_EQ(round.times.count(), 500u);
  EXPECT_GT(round.wall, 0ns);
  EXPECT_GT(round.server_cpu, 0ns);
  EXPECT_GT(round.client_cpu, 0ns);
  EXPECT_GT(round.switches, 100u);  // each side waits for the other
}

/// Fails with where one of its sides may run.
class PlacedWay final : public Way {
 public:
  explicit PlacedWay(bool server_says) : server_says_(server_says) {}
  void serve(const std::function<void()>& ready) override {
    if (server_says_) say();
    ready();
    ::pause();
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    say();
    return nullptr;
  }

 private:
  static void say() { throw std::runtime_error(::testing::PrintToString(allowed_cpus())); }

  const bool server_says_;
};

/// Fails with whether its client is in its parent's process group.
class GroupedWay final : public Way {
 public:
  void serve(const std::function<void()>& ready) override {
    ready();
    ::pause();
  }
  std::unique_ptr<Caller> connect(unsigned) override {
    throw std::runtime_error(::getpgrp() == ::getpid() ? "it is in its own group" : "it is not");
  }
};

std::string failure_to_begin(const WayEntry& way, Placement placement = Placement::free) {
  try {
    const Trial trial(way, {.work = Work::round_trip, .bytes = 1}, placement);
    return {};
  } catch (const TrialFailed& said) {
    return said.what();
  }
}

std::string place_of(bool server_says, Placement placement) {
  const WayEntry way = {.name = "placed", .does = "", .works = {}, .make = [server_says] {
                          return std::make_unique<PlacedWay>(server_says);
                        }};
  return failure_to_begin(way, placement);
}

// What is typed at a terminal is for who has started them, which stops some and ends all.
TEST(Trial, HasItsProcessesOutOfReachOfTheTerminal) {
  const WayEntry way = {.name = "grouped", .does = "", .works = {}, .make = [] {
                          return std::make_unique<GroupedWay>();
                        }};
  EXPECT_EQ(failure_to_begin(way), "grouped: it is in its own group");
}

TEST(Trial, PlacesItsProcesses) {
  const std::vector<int> all = allowed_cpus();
  const auto on = [](const std::vector<int>& cpus) {
    return "placed: " + ::testing::PrintToString(cpus);
  };
  for (const bool server_says : {true, false}) {
    EXPECT_EQ(place_of(server_says, Placement::free), on(all));
    EXPECT_EQ(place_of(server_says, Placement::same), on({all.back()}));
    EXPECT_EQ(place_of(server_says, Placement::different),
              on({server_says ? all.front() : all.back()}));
  }
}

TEST(Trial, TellsWhatAConnectionTakesOfTheServersMemory) {
  const auto socket = std::ranges::find(ways(), "tincan, socket", &WayEntry::name);
  Trial trial(*socket, {.work = Work::idle, .bytes = 64}, Placement::free);
  const std::size_t before = trial.run(1).server_bytes;
  const std::size_t after = trial.run(400).server_bytes;
  EXPECT_GT(after, before + 400 * 200);
}

// A send(2) and a recv(2) on either side.
TEST(Trial, CountsSystemCalls) {
  const WayEntry way = way_with(Fault::none);
  Trial trial(way, {.work = Work::round_trip, .bytes = 200}, Placement::free);
  const auto calls = trial.system_calls_an_operation(100);
  if (!calls) GTEST_SKIP() << "this process may not trace others, or not in time";
  EXPECT_NEAR(*calls, 4, 0.2);
}

TEST(Trial, WhoseServerIsKilledWhileItsSystemCallsAreCountedSaysSo) {
  const WayEntry way = way_with(Fault::die);
  Trial trial(way, {.work = Work::round_trip, .bytes = 200}, Placement::free);
  try {
    static_cast<void>(trial.system_calls_an_operation(100));
    FAIL() << "it went on";
  } catch (const TrialFailed& failed) {
    EXPECT_NE(failed.why().find("its process was killed by SIGKILL"), std::string::npos)
        << failed.why();
  }
}

/// Its server has a thread that ends with the first message.
class ThreadedWay final : public FaultyWay {
 public:
  ThreadedWay() : FaultyWay(Fault::none) {}
  void serve(const std::function<void()>& ready) override {
    std::atomic<bool> is_over = false;
    std::thread other([&] { is_over.wait(false); });
    serve_and_then(ready, [&] {
      is_over = true;
      is_over.notify_all();
      if (other.joinable()) other.join();
    });
  }
};

// Who has traced a thread has to see to its end, or its process never ends.
TEST(Trial, EndsThoughAThreadHasEndedWhileItsSystemCallsWereCounted) {
  const WayEntry way = {.name = "threaded", .does = "", .works = {}, .make = [] {
                          return std::make_unique<ThreadedWay>();
                        }};
  Trial trial(way, {.work = Work::round_trip, .bytes = 200}, Placement::free);
  EXPECT_TRUE(trial.system_calls_an_operation(10));
  EXPECT_EQ(trial.run(10).operations, 10u);
}

TEST(Trial, ShowsWhatAWayDelays) {
  const WayEntry way = way_with(Fault::delay);
  Trial trial(way, {.work = Work::round_trip, .bytes = 200}, Placement::free);
  const Round round = trial.run(100);
  EXPECT_GE(round.times.quantile(0.95), 2ms);
  EXPECT_GE(round.wall, 20ms);
}

// No coordinated omission: those that wait for the one that stalls are late, too.
TEST(Trial, MeasuresFromWhenAnOperationWasDue) {
  const WayEntry way = way_with(Fault::stall);
  Trial trial(way, {.work = Work::round_trip, .bytes = 200}, Placement::free);
  const Round round = trial.run(100, 1000);
  EXPECT_GE(round.times.quantile(0.9), 10ms);
  EXPECT_GE(round.wall, 90ms);
}

TEST(Trial, LeavesNothingBehindHoweverItEnds) {
  const tincan::test::TemporaryDirectory folder;
  ::setenv("TMPDIR", folder.path().c_str(), 1);
  for (const Fault fault : {Fault::none, Fault::lose, Fault::hang, Fault::end}) {
    static_cast<void>(failure_of(fault, Work::one_way));
  }
  ::unsetenv("TMPDIR");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a process is left";
}

}  // namespace
}  // namespace bench
