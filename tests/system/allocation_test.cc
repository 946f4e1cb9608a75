// A steady flow of calls allocates nothing, in client and server alike (performance goal G12).

#include "support/process.h"

namespace tincan::test {

namespace {

TEST(Allocation, NeverHappensInASteadyFlowOfCalls) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has an allocator of its own";
#endif
  auto subject = Process::run({binary("tests/allocation_subject")});
  ASSERT_EQ(subject.wait(), 0) << subject.output();
  EXPECT_EQ(subject.output(),
            "control 1\nempty call 0\nsmall call 0\nlarge call 0\ncall in halves 0\nsend 0\n"
            "loan 0\nlent reply 0\n");
}

}  // namespace

}  // namespace tincan::test
