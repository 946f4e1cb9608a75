#include "os/memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace tincan::os {
namespace {

constexpr std::size_t four_pages_bytes = 4 * 4096;

blkcnt_t blocks_of(const Descriptor& file) {
  struct stat status;
  EXPECT_EQ(::fstat(file.get(), &status), 0);
  return status.st_blocks;
}

TEST(Memory, HasAllItsPagesFromTheStart) {
  const auto file = memory_file(four_pages_bytes);
  ASSERT_TRUE(file);
  struct stat status;
  ASSERT_EQ(::fstat(file->get(), &status), 0);
  EXPECT_EQ(status.st_size, static_cast<off_t>(four_pages_bytes));
  EXPECT_GE(status.st_blocks * 512, static_cast<off_t>(four_pages_bytes));
  EXPECT_EQ(::fcntl(file->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(is_in_tmpfs(file->get()), true);
}

TEST(Memory, IsTheSameInTwoMappings) {
  const auto file = memory_file(four_pages_bytes);
  const auto writer = Mapping::writable(file->get(), four_pages_bytes);
  const auto reader = Mapping::readable(file->get(), four_pages_bytes);
  ASSERT_TRUE(writer && reader);
  EXPECT_TRUE(std::ranges::all_of(reader->bytes(), [](std::byte b) { return b == std::byte{0}; }));
  writer->bytes()[5000] = std::byte{7};
  EXPECT_EQ(reader->bytes()[5000], std::byte{7});
}

// F16: the descriptor that the peer gets lets nobody write, whoever opens it again; our own mapping
// goes on.
TEST(Memory, SealedForFutureWritesIsWrittenByItsMakerAlone) {
  const auto file = memory_file(four_pages_bytes);
  const auto writer = Mapping::writable(file->get(), four_pages_bytes);
  ASSERT_TRUE(seal(file->get(), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL));
  EXPECT_EQ(Mapping::writable(file->get(), four_pages_bytes).error().code, EPERM);
  const Descriptor again(
      ::open(("/proc/self/fd/" + std::to_string(file->get())).c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_FALSE(Mapping::writable(again.get(), four_pages_bytes));
  EXPECT_FALSE(punch_out(file->get(), 0, four_pages_bytes));
  writer->bytes()[0] = std::byte{1};
  EXPECT_EQ(Mapping::readable(file->get(), four_pages_bytes)->bytes()[0], std::byte{1});
  EXPECT_EQ(*seals_of(file->get()) & F_SEAL_FUTURE_WRITE, unsigned{F_SEAL_FUTURE_WRITE});
}

TEST(Memory, ThatIsLockedIsLockedUntilItIsUnmapped) {
  const auto locked = [] {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      std::uint64_t kib = 0;
      if (word == "VmLck:" && status >> kib) return kib * 1024;
    }
    return UINT64_MAX;
  };
  const std::uint64_t before = locked();
  {
    const auto file = memory_file(four_pages_bytes);
    const auto mapping = Mapping::readable(file->get(), four_pages_bytes);
    ASSERT_TRUE(mapping);
    ASSERT_TRUE(mapping->lock());
    EXPECT_EQ(locked(), before + four_pages_bytes);
  }
  EXPECT_EQ(locked(), before);
}

TEST(Memory, GivesItsPagesBackWhenPunchedOut) {
  const auto file = memory_file(four_pages_bytes);
  ASSERT_GT(blocks_of(*file), 0);
  ASSERT_TRUE(punch_out(file->get(), 0, four_pages_bytes));
  EXPECT_EQ(blocks_of(*file), 0);
}

TEST(Memory, SaysThatOtherFilesHaveNoSeals) {
  const Descriptor file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(file);
  EXPECT_EQ(seals_of(file.get()).error().code, EINVAL);
}

TEST(Mapping, IsNotThereInAForkedChild) {
  const auto file = memory_file(four_pages_bytes);
  const auto mapping = Mapping::writable(file->get(), four_pages_bytes);
  const pid_t child = ::fork();
  if (child == 0) {
    unsigned char page[1];
    // mincore(2) fails with ENOMEM where nothing is mapped, and touches nothing.
    ::_exit(::mincore(mapping->bytes().data(), 4096, page) < 0 && errno == ENOMEM ? 0 : 1);
  }
  int status;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Memory, ThatIsNoneIsToldByEveryCall) {
  constexpr int none = -1;
  EXPECT_EQ(seal(none, no_growing).error().code, EBADF);
  EXPECT_EQ(seals_of(none).error().code, EBADF);
  EXPECT_EQ(is_in_tmpfs(none).error().code, EBADF);
  EXPECT_EQ(punch_out(none, 0, 4096).error().code, EBADF);
  EXPECT_EQ(Mapping::readable(none, 4096).error().code, EBADF);
  EXPECT_EQ(Mapping::writable(none, 4096).error().code, EBADF);
}

}  // namespace
}  // namespace tincan::os
