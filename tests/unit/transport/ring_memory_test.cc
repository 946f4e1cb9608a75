#include "transport/ring_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "support/failing_calls.h"

namespace tincan::transport {
namespace {

constexpr std::size_t ring_bytes = ring::capacity_bytes_min;
constexpr std::size_t file_bytes = memory_bytes(ring_bytes);
constexpr unsigned size_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

Descriptor file_of(std::size_t bytes, unsigned seals, unsigned flags = 0) {
  Descriptor file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
  if (!file || ::fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)) != 0) return {};
  const std::string zeros(bytes, '\0');
  const auto written = static_cast<ssize_t>(bytes);
  if (flags == 0) {
    EXPECT_EQ(::pwrite(file.get(), zeros.data(), bytes, 0), written);
  }
  EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, seals), 0);
  return file;
}

TEST(RingMemory, OfBothSidesIsTheSame) {
  auto made = RingMemory::make(ring_bytes);
  ASSERT_TRUE(made);
  auto taken = RingMemory::take(std::move(made->files), ring_bytes);
  ASSERT_TRUE(taken) << taken.error();
  ring::End client = made->memory.end();
  ring::End server = taken->end();
  const std::byte sent[3] = {std::byte{1}, std::byte{2}, std::byte{3}};
  std::byte received[8];
  EXPECT_EQ(client.write(sent), 3u);
  EXPECT_FALSE(client.publish());
  EXPECT_EQ(server.read(received), 3u);
  EXPECT_EQ(server.write(sent), 3u);
  EXPECT_FALSE(server.publish());
  EXPECT_EQ(client.read(received), 3u);
  EXPECT_EQ(std::memcmp(received, sent, 3), 0);
}

TEST(RingMemory, CanBeWrittenByNobodyButItsSide) {
  const auto made = RingMemory::make(ring_bytes);
  ASSERT_TRUE(made);
  EXPECT_EQ(::mmap(nullptr, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                   made->files.to_server.get(), 0),
            MAP_FAILED);
}

TEST(RingMemory, LeavesNoPagesBehindOnceItIsPunchedOut) {
  auto made = RingMemory::make(ring_bytes);
  const Descriptor kept(::dup(made->files.to_client.get()));
  auto taken = RingMemory::take(std::move(made->files), ring_bytes);
  ASSERT_TRUE(taken);
  taken->punch_out();
  struct stat status;
  ASSERT_EQ(::fstat(kept.get(), &status), 0);
  EXPECT_EQ(status.st_blocks, 0);
}

/// What a client may send in place of the memory in which it writes, or of the one we write in.
struct Bad {
  const char* name;
  bool to_server;
  Descriptor (*make)();
  const char* reason;
};

class BadMemory : public ::testing::TestWithParam<Bad> {};

TEST_P(BadMemory, IsRefusedWithTheReason) {
  auto made = RingMemory::make(ring_bytes);
  ASSERT_TRUE(made);
  Descriptor bad = GetParam().make();
  if (!bad) GTEST_SKIP() << "this machine has no such file";
  (GetParam().to_server ? made->files.to_server : made->files.to_client) = std::move(bad);
  const auto taken = RingMemory::take(std::move(made->files), ring_bytes);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().find(GetParam().reason), std::string::npos) << taken.error();
}

constexpr unsigned all_seals = size_seals | F_SEAL_FUTURE_WRITE;

INSTANTIATE_TEST_SUITE_P(
    Of, BadMemory,
    ::testing::Values(
        Bad{"unsealed", true, [] { return file_of(file_bytes, F_SEAL_FUTURE_WRITE); },
            "not sealed"},
        Bad{"that_may_be_written_by_others", true, [] { return file_of(file_bytes, size_seals); },
            "not sealed"},
        Bad{"that_may_shrink", true,
            [] { return file_of(file_bytes, all_seals & ~unsigned{F_SEAL_SHRINK}); }, "not sealed"},
        Bad{"short", true, [] { return file_of(file_bytes - 4096, all_seals); }, "another size"},
        Bad{"long", true, [] { return file_of(file_bytes + 4096, all_seals); }, "another size"},
        Bad{"sparse", true,
            [] {
              Descriptor file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
              EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(file_bytes)), 0);
              EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, all_seals), 0);
              return file;
            },
            "without all of its pages"},
        Bad{"with_a_page_beyond_its_end_in_place_of_another", true,
            [] {
              Descriptor file = file_of(file_bytes, 0);
              const auto end = static_cast<off_t>(file_bytes);
              constexpr int keep = FALLOC_FL_KEEP_SIZE;
              EXPECT_EQ(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | keep, 8192, 4096), 0);
              EXPECT_EQ(::fallocate(file.get(), keep, end, 4096), 0);
              struct stat status;
              EXPECT_EQ(::fstat(file.get(), &status), 0);
              EXPECT_EQ(status.st_blocks * 512, end) << "it looks whole";
              EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, all_seals), 0);
              return file;
            },
            "without all of its pages"},
        Bad{"never_touched", true,
            [] {
              Descriptor file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
              EXPECT_EQ(::fallocate(file.get(), 0, 0, static_cast<off_t>(file_bytes)), 0);
              EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, all_seals), 0);
              return file;
            },
            "without all of its pages"},
        Bad{"on_disk", true,
            [] { return Descriptor(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)); },
            "no file in memory"},
        Bad{"socket", true,
            [] { return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); },
            "no file in memory"},
        Bad{"path_only", true, [] { return Descriptor(::open("/tmp", O_PATH | O_CLOEXEC)); },
            "no file in memory"},
        Bad{"of_huge_pages", true, [] { return file_of(file_bytes, all_seals, MFD_HUGETLB); },
            "not in tmpfs"},
        Bad{"that_we_may_not_write", false,
            [] { return file_of(file_bytes, size_seals | F_SEAL_WRITE); },
            "sealed against being written"},
        Bad{"that_nobody_else_may_write", false, [] { return file_of(file_bytes, all_seals); },
            "sealed against being written"},
        Bad{"opened_for_reading", false,
            [] {
              const Descriptor file = file_of(file_bytes, size_seals);
              const std::string name = "/proc/self/fd/" + std::to_string(file.get());
              return Descriptor(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
            },
            "cannot be mapped"},
        Bad{"missing", false, [] { return Descriptor(::dup(0)); }, "no file in memory"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(RingMemory, IsOfAKnownSize) {
  for (const std::size_t bytes : {std::size_t{0}, ring_bytes - 1, ring_bytes + 1, ring_bytes / 2,
                                  2 * ring::capacity_bytes_max, std::size_t{1} << 63}) {
    auto made = RingMemory::make(ring_bytes);
    EXPECT_FALSE(RingMemory::take(std::move(made->files), bytes)) << bytes;
  }
}

#ifdef TINCAN_SEAM

class FailingRingMemory : public ::testing::TestWithParam<bool> {};

TEST_P(FailingRingMemory, IsToldAndLeavesNothing) {  // P16
  test::fail_each_call(
      [](test::Fault& fault) {
        const test::Installed installed(fault);
        auto made = RingMemory::make(ring_bytes);
        if (!made) {
          EXPECT_EQ(made.error().code, fault.error()) << fault.what();
          return;
        }
        auto taken = RingMemory::take(std::move(made->files), ring_bytes);
        EXPECT_EQ(taken.has_value(), fault.error() == 0) << fault.what();
        if (!taken) {
          EXPECT_GT(taken.error().size(), 10u) << fault.what();
          return;
        }
        taken->punch_out_ring();
        taken->punch_out();
      },
      12, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Once, FailingRingMemory, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(FromNowOn, FailingRingMemory, ::testing::Values(true));

#endif

}  // namespace
}  // namespace tincan::transport
