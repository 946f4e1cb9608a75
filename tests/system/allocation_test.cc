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
            "control 1\n"
            "socket: empty call 0\n"
            "socket: small call 0\n"
            "socket: large call 0\n"
            "socket: send 0\n"
            "socket: batch 0\n"
            "socket: loan 0\n"
            "socket: lent reply 0\n"
            "socket: call in halves 0\n"
            "ring: empty call 0\n"
            "ring: small call 0\n"
            "ring: large call 0\n"
            "ring: send 0\n"
            "ring: batch 0\n"
            "ring: loan 0\n"
            "ring: lent reply 0\n");
}

}  // namespace

}  // namespace tincan::test
