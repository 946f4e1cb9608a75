// Who may write into the memory of a ring: its writer, and nobody who was given it to read, whoever
// that is (promise 14, attack 41).

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <filesystem>

#include "support/user.h"
#include "system/raw_ring_server.h"
#include "system/server_process.h"

namespace tincan::test {
namespace {

constexpr std::size_t page_bytes = 4096;

bool can_be_mapped_to_write(int file) {
  void* const at = ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (at != MAP_FAILED) ::munmap(at, page_bytes);
  return at != MAP_FAILED;
}

bool can_be_made_writable_where_it_is_mapped(int file) {
  void* const at = ::mmap(nullptr, page_bytes, PROT_READ, MAP_SHARED, file, 0);
  if (at == MAP_FAILED) return false;
  const bool can = ::mprotect(at, page_bytes, PROT_READ | PROT_WRITE) == 0;
  ::munmap(at, page_bytes);
  return can;
}

/// In which ways this process can change what the file holds; names those that it finds.
int ways_to_change(int file, const std::string& how_it_was_had) {
  struct stat status = {};
  if (::fstat(file, &status) != 0) return 1;
  const std::pair<const char*, bool> tries[] = {
      {"is written", ::pwrite(file, "x", 1, 0) == 1},
      {"is mapped to write", can_be_mapped_to_write(file)},
      {"is made writable", can_be_made_writable_where_it_is_mapped(file)},
      {"is cut", ::ftruncate(file, status.st_size - 4096) == 0},
      {"is made longer", ::ftruncate(file, status.st_size + 4096) == 0},
      {"loses pages", ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0},
      {"is sealed once more", ::fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0},
  };
  int ways = 0;
  for (const auto& [what, works] : tries) {
    if (!works) continue;
    ++ways;
    std::printf("%s, it %s\n", how_it_was_had.c_str(), what);
  }
  return ways;
}

/// With the descriptor itself, and with what its name in /proc can be opened as.
int all_ways_to_change(int file) {
  int ways = ways_to_change(file, "as it came");
  const std::string name = "/proc/self/fd/" + std::to_string(file);
  for (const int flags : {O_RDONLY, O_RDWR, O_RDWR | O_TRUNC, O_WRONLY}) {
    const Descriptor opened(::open(name.c_str(), flags | O_CLOEXEC));
    if (opened) ways += ways_to_change(opened.get(), "opened with " + std::to_string(flags));
  }
  return ways;
}

class RingOfAStranger : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  }
};

TEST_F(RingOfAStranger, CannotBeWrittenByTheServerThatIsToReadIt) {
  RawRingServer server;
  auto caller = std::async(std::launch::async, [&] { return reach_ring(*server.connected); });
  ASSERT_TRUE(server.await_offer());
  const Descriptor given(::dup(server.peer->descriptors().front().get()));
  for (const uid_t uid : {uid_t{0}, stranger}) {
    auto child = Process::fork([&] {
      if (uid != 0 && !become(uid)) return 126;
      return all_ways_to_change(given.get());
    });
    EXPECT_EQ(child.wait(), 0) << "of uid " << uid << ": " << child.output();
  }
  ASSERT_TRUE(server.map_offer() && server.accept_offer());
  EXPECT_TRUE(caller.get());
}

/// What somebody finds in /proc of a process of somebody else's. Returns what could be opened.
int openings_into(pid_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  int openings = 0;
  const auto try_to_open = [&](const std::string& name, int flags) {
    const Descriptor opened(::open((process + name).c_str(), flags | O_CLOEXEC));
    if (!opened) return;
    ++openings;
    std::printf("opened %s%s with %d\n", process.c_str(), name.c_str(), flags);
  };
  for (const int flags : {O_RDONLY, O_RDWR, O_WRONLY}) {
    for (int number = 0; number < 100; ++number) {
      try_to_open("/fd/" + std::to_string(number), flags);
    }
    try_to_open("/mem", flags);
  }
  try_to_open("/fd", O_RDONLY | O_DIRECTORY);
  try_to_open("/map_files", O_RDONLY | O_DIRECTORY);
  return openings;
}

/// How many of the open files of this process are memories of rings.
std::ptrdiff_t ring_files_open() {
  return std::ranges::count_if(
      std::filesystem::directory_iterator("/proc/self/fd"), [](const auto& entry) {
        std::error_code ignored;
        return std::filesystem::read_symlink(entry.path(), ignored).string().contains("memfd:");
      });
}

TEST_F(RingOfAStranger, CannotBeOpenedByOthersAtEitherSide) {
  const TemporaryDirectory directory(0755);
  auto server =
      start_server(directory / "s",
                   [](Server& served) {
                     served.on("echo", [](Request request) { request.reply(request.payload()); });
                   },
                   {.mode = 0666, .ring_idle = std::chrono::hours(1)});
  auto client = Process::fork([&] {
    if (!become(stranger)) return 126;
    Client connected = or_exit(Client::connect(directory / "s", eager()));
    if (!reach_ring(connected)) return 1;
    // What it gave away it keeps mapped, and not open.
    if (ring_files_open() != 0) return 2;
    std::printf("has a ring\n");
    std::fflush(stdout);
    while (true) ::pause();
  });
  ASSERT_TRUE(client.wait_for_output("has a ring")) << client.output();
  const auto find = [](uid_t uid, const Process& in) {
    auto child = Process::fork([&] { return become(uid) ? openings_into(in.pid()) : 126; });
    EXPECT_EQ(child.wait(), 0) << "of uid " << uid << ": " << child.output();
  };
  find(stranger, server);
  find(other_stranger, server);
  find(other_stranger, client);
  auto root = Process::fork([&] { return openings_into(client.pid()) > 0 ? 0 : 1; });
  EXPECT_EQ(root.wait(), 0) << "nobody finds anything: this test shows nothing";
}

// Reopened to write, it would let who sleeps at it wake and block its owner's ringing.
TEST_F(RingOfAStranger, HasADoorbellThatItsSleeperCannotRing) {
  RawRingServer server;
  auto caller = std::async(std::launch::async, [&] { return reach_ring(*server.connected); });
  ASSERT_TRUE(server.take_offer());
  const int given = server.peer->descriptors()[2].get();
  auto child = Process::fork([&] {
    if (!become(stranger)) return 126;
    if (::write(given, "x", 1) == 1) return 1;
    const std::string name = "/proc/self/fd/" + std::to_string(given);
    for (const int flags : {O_RDWR, O_WRONLY}) {
      if (Descriptor(::open(name.c_str(), flags | O_NONBLOCK | O_CLOEXEC))) return 2;
    }
    return 0;
  });
  EXPECT_EQ(child.wait(), 0) << child.output();
  ASSERT_TRUE(server.accept_offer());
  EXPECT_TRUE(caller.get());
}

}  // namespace
}  // namespace tincan::test
