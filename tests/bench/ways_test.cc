#include "ways/way.h"

#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <utility>

#include "bench/failure_of.h"

namespace bench {
namespace {

/// Each way at each of its works.
class EveryWay : public ::testing::TestWithParam<WayEntry> {};

TEST_P(EveryWay, DoesAllItsWorks) {
  ASSERT_FALSE(GetParam().works.empty());
  for (const Work work : GetParam().works) {
    const std::string failure = failure_of(GetParam(), work);
    if (failure.find("mq_open: Function not implemented") != std::string::npos) {
      GTEST_SKIP() << "this kernel has no POSIX queues";
    }
    EXPECT_EQ(failure, "") << "work " << static_cast<int>(work);
  }
}

/// How much this process has open, and shares with others.
std::pair<std::size_t, std::size_t> held() {
  std::ifstream lines("/proc/self/maps");
  std::size_t shared = 0;
  for (std::string line; std::getline(lines, line);) shared += line.find("rw-s") != line.npos;
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return {std::distance(begin(files), end(files)), shared};
}

// A long run makes many trials of each.
TEST_P(EveryWay, LeavesNothingOpen) {
  const auto before = held();
  for (const Work work : GetParam().works) static_cast<void>(failure_of(GetParam(), work));
  EXPECT_EQ(held(), before);
}

std::string test_name(const ::testing::TestParamInfo<WayEntry>& way) {
  std::string name;
  for (const char letter : way.param.name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0) name += letter;
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(OfThem, EveryWay, ::testing::ValuesIn(ways()), test_name);

}  // namespace
}  // namespace bench
