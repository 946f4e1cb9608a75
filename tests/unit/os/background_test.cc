#include "os/background.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support/eventually.h"
#include "support/failing_calls.h"

namespace tincan::os {
namespace {

struct Ran {
  std::atomic<bool> done = false;
  std::thread::id where;
  sigset_t blocked;
};

void run(void* argument) noexcept {
  auto& ran = *static_cast<Ran*>(argument);
  ran.where = std::this_thread::get_id();
  ::pthread_sigmask(SIG_SETMASK, nullptr, &ran.blocked);
  ran.done = true;
}

TEST(Background, RunsAStepOnAThreadThatTakesNoSignals) {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Ran ran;
  ASSERT_TRUE(run_apart(run, &ran));
  ASSERT_TRUE(test::eventually([&] { return ran.done.load(); }));
  EXPECT_NE(ran.where, std::this_thread::get_id());
  for (const int signal : {SIGTERM, SIGINT, SIGALRM, SIGCHLD, SIGUSR1}) {
    EXPECT_EQ(::sigismember(&ran.blocked, signal), 1) << signal;
  }
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM));
}

TEST(Background, RunsManyAtOnce) {
  Ran ran[50];
  for (Ran& each : ran) ASSERT_TRUE(run_apart(run, &each));
  for (Ran& each : ran) EXPECT_TRUE(test::eventually([&] { return each.done.load(); }));
}

#ifdef TINCAN_SEAM

TEST(Background, SaysThatThereIsNoPlaceAndRunsNothing) {  // P16
  Ran ran;
  test::fail_each_call(
      [&](test::Fault& fault) {
        ran.done = false;
        const test::Installed installed(fault);
        const auto started = run_apart(run, &ran);
        EXPECT_EQ(started.has_value(), fault.error() == 0) << fault.what();
        EXPECT_TRUE(!started || test::eventually([&] { return ran.done.load(); }));
        EXPECT_EQ(ran.done, started.has_value());
      },
      0, false);
}

#endif

}  // namespace
}  // namespace tincan::os
