// Large memory is not taken down on a loop, which others wait for.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <vector>

#include "system/loans.h"

namespace tincan::test {
namespace {

std::size_t threads_here() {
  return static_cast<std::size_t>(
      std::ranges::distance(std::filesystem::directory_iterator("/proc/self/task")));
}

TEST(LoanTeardown, OfManyLargeOnesAtOnceTakesOneThread) {
  RunningServer server;
  std::vector<Request> held;
  std::size_t threads_before = 0;
  std::size_t threads_then = 0;
  server->on("hold", [&](Request request) { held.push_back(std::move(request)); });
  server->on("let_go", [&](Request request) {
    threads_before = threads_here();
    held.clear();
    threads_then = threads_here();
    request.reply();
  });
  server.run();
  Client client = server.connect();
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(client.send("hold", or_exit(client.loan(32 * mib)), unhurried));
  }
  ASSERT_TRUE(client.call("let_go", "", unhurried));
  server.end();
  EXPECT_LE(threads_then, threads_before + 1);
}

// What is sealed is mapped no more, and its pages go with its last descriptor.
TEST(LoanTeardown, OfWhatIsSealedIsBesideTheLoop) {
  RunningServer server;
  std::optional<Loan> kept;
  std::atomic<bool> was_beside = false;
  server->on("lend", [&](Request request) {
    kept = filled(server->loan(32 * mib), 1);
    request.reply(*kept);
  });
  server->on("let_go", [&](Request request) {
    const std::size_t threads = threads_here();
    kept.reset();
    if (threads_here() > threads) was_beside = true;  // unless the thread has been quicker than we
    request.reply();
  });
  server.run();
  Client client = server.connect({.views_max = 1});
  for (int i = 0; i < 50 && !was_beside; ++i) {
    ASSERT_TRUE(client.call("lend", "", unhurried));  // and released at once
    ASSERT_TRUE(client.call("let_go", "", unhurried));
  }
  EXPECT_TRUE(was_beside);
}

}  // namespace
}  // namespace tincan::test
