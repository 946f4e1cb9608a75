#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <thread>

#include "os/memory.h"
#include "os/process.h"
#include "os/socket.h"
#include "support/process.h"

namespace tincan::os {
namespace {

/// What sealing memory failed with that was mapped and unmapped again: EBUSY if somebody else still
/// has it mapped for writing. 0: it is sealed.
int error_of_sealing() {
  static constexpr std::size_t bytes = 4096;
  const auto file = memory_file(bytes);
  if (!file) return file.error().code;
  if (const auto mapping = Mapping::writable(file->get(), bytes); !mapping) {
    return mapping.error().code;
  }
  const auto sealed = seal(file->get(), no_writing);
  return sealed ? 0 : sealed.error().code;
}

/// Memory is made and sealed by a thread of its own.
class Sealing : public ::testing::Test {
 protected:
  Sealing()
      : thread_([this] {
          while (!finish_ && error_ == 0) {
            error_ = error_of_sealing();
            ++rounds_;
          }
        }) {}
  ~Sealing() override {
    finish_ = true;
    thread_.join();
    EXPECT_EQ(error_, 0) << std::strerror(error_);
  }
  [[nodiscard]] bool goes_on() const { return error_ == 0; }
  /// Whatever was being made is sealed, or could not be.
  [[nodiscard]] bool one_is_over() const {
    const std::uint64_t before = rounds_;
    return test::eventually([&] { return rounds_ >= before + 2 || error_ != 0; });
  }

 private:
  std::atomic<bool> finish_ = false;
  std::atomic<int> error_ = 0;
  std::atomic<std::uint64_t> rounds_ = 0;
  std::thread thread_;
};

// The child would be another who can write there.
TEST_F(Sealing, IsNotKeptUpByAChildThatWasForkedMeanwhile) {  // P18
  for (int i = 0; i < 300 && goes_on(); ++i) {
    const auto child = test::Process::fork([] {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      return ::pause();
    });
    EXPECT_TRUE(one_is_over());
  }
}

TEST_F(Sealing, IsNotKeptUpByAProgramThatIsStartedMeanwhile) {  // P18
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer does not notice _Fork, and takes the child for a thread of ours";
#endif
  const std::string program[] = {"/bin/true"};
  for (int i = 0; i < 300 && goes_on(); ++i) {
    const auto pair = stream_socket_pair();
    ASSERT_TRUE(pair);
    EXPECT_TRUE(spawn(program, pair->first));
  }
}

}  // namespace
}  // namespace tincan::os
