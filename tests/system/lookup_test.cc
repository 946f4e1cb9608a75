// Nobody waits for a client while it looks a user up, which a directory service may take seconds
// for, or while it connects.

#include "support/process.h"

namespace tincan::test {

namespace {

TEST(LookUp, OfAUserIsDoneWithoutTheLockOfTheClient) {  // P3
  auto subject = Process::run({binary("tests/lookup_subject")});
  ASSERT_EQ(subject.wait(3 * patience), 0) << subject.output();
  EXPECT_EQ(subject.output(), "looked up 2, connected 2\n");
}

}  // namespace

}  // namespace tincan::test
