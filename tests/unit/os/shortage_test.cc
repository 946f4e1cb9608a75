#include "os/shortage.h"

#include <sys/resource.h>

#include <cerrno>

namespace tincan::os {

namespace {

TEST(ShortageText, OfDescriptorsNamesTheLimitAndHowItIsRaised) {
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(describe_shortage(EMFILE),
            "Too many open files; raise the limit of this process (ulimit -n, now " +
                std::to_string(limit.rlim_cur) + ")");
  EXPECT_EQ(describe_shortage(ENFILE),
            "Too many open files in system; raise the limit of this machine (sysctl fs.file-max)");
}

TEST(ShortageText, OfWhatHasNoLimitToRaiseIsTheSystemsWord) {
  EXPECT_EQ(describe_shortage(ENOMEM), "Cannot allocate memory");
}

TEST(ShortageText, OfLockedMemoryNamesTheLimitAndHowItIsRaised) {
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &limit), 0);
  const std::string raise = "; raise the limit of locked memory (ulimit -l, now " +
                            std::to_string(limit.rlim_cur / 1024) + " KiB)";
  EXPECT_EQ(describe_lock_shortage(ENOMEM),
            "Cannot allocate memory" + (limit.rlim_cur == RLIM_INFINITY ? std::string() : raise));
}

TEST(ShortageText, OfAnErrorThatTheSystemDoesNotKnowIsItsNumber) {
  EXPECT_EQ(describe_shortage(12345), "error 12345");
}

}  // namespace

}  // namespace tincan::os
