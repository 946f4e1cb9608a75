#include "os/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "os/clock.h"
#include "os/poller.h"
#include "os/socket.h"
#include "support/process.h"

namespace tincan::os {
namespace {

using test::Process;

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }

TEST(ForkGeneration, ChangesInTheChildOnly) {
  const auto before = fork_generation();
  auto child = Process::fork([&] { return fork_generation() == before ? 1 : 0; });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(fork_generation(), before);
}

TEST(CloseInChild, IsClosedInAForkedChildAndNowhereElse) {
  CloseInChild one{Descriptor(::dup(0))};
  CloseInChild moved = std::move(one);
  CloseInChild other{Descriptor(::dup(0))};
  const int number = moved.get(), other_number = other.get();
  auto child = Process::fork([&] {
    const bool closed = !is_open(number) && !is_open(other_number);
    return closed && moved.get() == -1 && other.get() == -1 ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(is_open(number));
}

TEST(CloseInChild, DoesNotCloseInTheChildWhatGotItsNumber) {
  auto child = Process::fork([] {
    CloseInChild kept{Descriptor(::dup(0))};
    const int number = kept.get();
    auto grandchild = Process::fork([&] {
      if (::dup2(0, number) != number) return 2;
      kept.reset();
      return is_open(number) ? 0 : 1;
    });
    return grandchild.wait().value_or(3);
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST(CloseInChild, LeavesAReleasedDescriptorAlone) {
  CloseInChild given{Descriptor(::dup(0))};
  const Descriptor taken = given.release();
  auto child = Process::fork([&] { return is_open(taken.get()) ? 0 : 1; });
  EXPECT_EQ(child.wait(), 0);
}

TEST(ProgramOf, IsThePathOfTheProgram) {
  EXPECT_EQ(program_of(own_pid()), std::filesystem::read_symlink("/proc/self/exe"));
  EXPECT_EQ(program_of(-1), "");
}

std::string read_to_end(int socket) {
  std::string text;
  std::byte piece[256];
  while (true) {
    const auto events = wait_for(socket, POLLIN, now() + std::chrono::seconds(20));
    const auto bytes = events && *events != 0 ? receive(socket, piece, Mode::do_not_wait) : 0;
    if (!bytes || *bytes == 0) return text;
    text.append(reinterpret_cast<const char*>(piece), *bytes);
  }
}

TEST(Spawn, TellsTheProgramAboutItsSocket) {
  auto ends = stream_socket_pair();
  const std::vector<std::string> shell = {
      "sh", "-c",
      "[ $LISTEN_PID = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES >&3; ls /proc/self/fd >&3"};
  const Descriptor stray(::fcntl(0, F_DUPFD, 50));  // not close-on-exec
  const auto child = spawn(shell, ends->second);
  ASSERT_TRUE(child);
  ends->second.reset();
  const std::string text = read_to_end(ends->first.get());
  EXPECT_TRUE(text.starts_with("1 tincan\n0\n1\n2\n3\n")) << text;
  EXPECT_EQ(text.find("50"), std::string::npos);
}

TEST(Spawn, LeavesNothingToReap) {
  auto ends = stream_socket_pair();
  const auto child = spawn(std::vector<std::string>{"true"}, ends->second);
  ASSERT_TRUE(child);
  EXPECT_GT(child->pid, 0);
  const auto ended = wait_for(child->process.get(), POLLIN, now() + std::chrono::seconds(20));
  EXPECT_NE(ended.value_or(0), 0);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Spawn, WorksWithTheSocketAtItsOwnPlaceAndWithPipesThere) {
  auto child = Process::fork([] {
    for (int number = 3; number < 64; ++number) ::close(number);
    auto ends = stream_socket_pair();  // 3 and 4
    if (ends->first.get() != 3) return 1;
    for (const bool at_three : {true, false}) {
      const Descriptor& given = at_three ? ends->first : ends->second;
      const Descriptor& kept = at_three ? ends->second : ends->first;
      const auto started = spawn(std::vector<std::string>{"sh", "-c", "echo hello >&3"}, given);
      std::byte buffer[16];
      if (!started || !wait_for(kept.get(), POLLIN, now() + std::chrono::seconds(20))) return 2;
      if (receive(kept.get(), buffer, Mode::do_not_wait).value_or(0) != 6) return 3;
    }
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST(Spawn, ReportsWhatCannotBeStarted) {
  auto ends = stream_socket_pair();
  EXPECT_EQ(spawn(std::vector<std::string>{"/nowhere/at/all"}, ends->second).error().code, ENOENT);
  EXPECT_EQ(spawn(std::vector<std::string>{"/etc/passwd"}, ends->second).error().code, EACCES);
}

TEST(Spawn, UnblocksSignals) {
  sigset_t all, old;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  auto ends = stream_socket_pair();
  const auto child = spawn(
      std::vector<std::string>{"sh", "-c", "grep SigBlk /proc/self/status >&3"}, ends->second);
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ends->second.reset();
  ASSERT_TRUE(child);
  EXPECT_EQ(read_to_end(ends->first.get()), "SigBlk:\t0000000000000000\n");
}

}  // namespace
}  // namespace tincan::os
