#include "transport/loan_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <string>

#include "support/failing_calls.h"

namespace tincan::transport {
namespace {

constexpr std::size_t loan_bytes = 5 * 4096;

TEST(LoanMemory, OfBothSidesIsTheSame) {
  for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
    auto memory = LoanMemory::make(loan_bytes, kind);
    ASSERT_TRUE(memory);
    std::memset(memory->bytes().data(), 7, loan_bytes);
    ASSERT_TRUE(kind != Handover::immutable || memory->seal());
    const auto mapped = map_loan(memory->file(), kind, loan_bytes);
    ASSERT_TRUE(mapped) << mapped.error();
    EXPECT_EQ(mapped->bytes().size(), loan_bytes);
    EXPECT_EQ(mapped->bytes().back(), std::byte{7});
  }
}

// F15 and F16: whoever has the descriptor, and however he opens it.
TEST(LoanMemory, IsWrittenByNobodyElse) {
  for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
    auto memory = LoanMemory::make(loan_bytes, kind);
    ASSERT_TRUE(memory);
    ASSERT_TRUE(kind != Handover::immutable || memory->seal());
    const std::string name = "/proc/self/fd/" + std::to_string(memory->file().get());
    const Descriptor again(::open(name.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_FALSE(os::Mapping::writable(again.get(), loan_bytes));
    EXPECT_EQ(::pwrite(again.get(), "x", 1, 0), -1);
    EXPECT_EQ(::ftruncate(again.get(), 0), -1);
    EXPECT_FALSE(os::punch_out(again.get(), 0, loan_bytes));
    EXPECT_FALSE(os::seal(again.get(), os::no_writing));  // which would take ours away
  }
}

TEST(LoanMemory, OfASharedViewIsWrittenByItsOwner) {
  auto memory = LoanMemory::make(loan_bytes, Handover::shared_view);
  const auto mapped = map_loan(memory->file(), Handover::shared_view, loan_bytes);
  ASSERT_TRUE(mapped);
  memory->bytes()[100] = std::byte{9};
  EXPECT_EQ(mapped->bytes()[100], std::byte{9});
}

TEST(LoanMemory, ThatIsImmutableHasNoBytesOnceItIsSealed) {
  auto memory = LoanMemory::make(loan_bytes, Handover::immutable);
  EXPECT_EQ(memory->bytes().size(), loan_bytes);
  ASSERT_TRUE(memory->seal());
  EXPECT_TRUE(memory->bytes().empty());
}

TEST(LoanMemory, ThatIsNotSealedIsNotImmutable) {
  const auto memory = LoanMemory::make(loan_bytes, Handover::immutable);
  EXPECT_FALSE(map_loan(memory->file(), Handover::immutable, loan_bytes));
}

TEST(LoanMemory, OfAnotherSizeThanAnnouncedIsRefused) {
  const auto memory = LoanMemory::make(loan_bytes, Handover::shared_view);
  for (const std::uint64_t bytes :
       {std::uint64_t{1}, std::uint64_t{loan_bytes - 1}, std::uint64_t{loan_bytes + 1},
        std::uint64_t{1} << 63, UINT64_MAX}) {
    EXPECT_FALSE(map_loan(memory->file(), Handover::shared_view, bytes)) << bytes;
  }
}

// A page in the middle, and the odd bytes at the end, are pages too.
TEST(LoanMemory, WithAHoleIsRefused) {
  for (const off_t bytes : {off_t{loan_bytes}, off_t{loan_bytes - 4095}}) {
    const Descriptor file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(file.get(), bytes), 0);
    ASSERT_EQ(::fallocate(file.get(), 0, 0, loan_bytes - 4096), 0);
    ASSERT_EQ(::ftruncate(file.get(), bytes), 0);
    ASSERT_TRUE(os::seal(file.get(), os::no_shrinking | os::no_growing | os::no_writing));
    const auto mapped = map_loan(file, Handover::immutable, static_cast<std::uint64_t>(bytes));
    ASSERT_FALSE(mapped);
    EXPECT_NE(mapped.error().find("pages"), std::string::npos);
  }
}

#ifdef TINCAN_SEAM

class FailingLoanMemory : public ::testing::TestWithParam<bool> {};

TEST_P(FailingLoanMemory, IsToldAndLeavesNothing) {  // P16
  test::fail_each_call(
      [](test::Fault& fault) {
        const test::Installed installed(fault);
        for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
          auto memory = LoanMemory::make(loan_bytes, kind);
          if (!memory) {
            EXPECT_EQ(memory.error().code, fault.error()) << fault.what();
            return;
          }
          if (kind == Handover::immutable) {
            if (const auto sealed = memory->seal(); !sealed) {
              EXPECT_EQ(sealed.error().code, fault.error()) << fault.what();
              return;
            }
          }
          const auto mapped = map_loan(memory->file(), kind, loan_bytes);
          if (!mapped) {
            EXPECT_NE(fault.error(), 0);
            EXPECT_GT(mapped.error().size(), 10u) << fault.what();
            return;
          }
        }
      },
      10, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Once, FailingLoanMemory, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(FromNowOn, FailingLoanMemory, ::testing::Values(true));

#endif

}  // namespace
}  // namespace tincan::transport
