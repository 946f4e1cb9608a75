// What a completion may do, and what becomes of the others.

#include <stdexcept>

#include "system/polling.h"
#include "system/running_server.h"
#include "tincan/testing.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

TEST(Completion, ThatThrowsKeepsNoOtherFromRunning) {
  auto [server, client] = testing::pair();
  int completed = 0;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(client.submit("tincan.ping", {}, [&, i](const Result<Reply>&) {
      ++completed;
      if (i == 1) throw std::runtime_error("first");
      if (i == 3) throw std::runtime_error("second");
    }));
  }
  server.process();
  std::string thrown;
  try {
    client.process();
  } catch (const std::runtime_error& error) {
    thrown = error.what();
  }
  EXPECT_EQ(thrown, "first");
  EXPECT_EQ(completed, 5);
  // The client is as good as before, and goes without looking for a process() that has gone.
  EXPECT_TRUE(client.call("tincan.ping"));
  bool again = false;
  ASSERT_TRUE(client.submit("tincan.ping", {}, [&](const Result<Reply>&) { again = true; }));
  server.process();
  client.process();
  EXPECT_TRUE(again);
}

TEST(Completion, MayDestroyTheClientAndThrow) {
  auto pair = testing::pair();
  std::optional<Client> client = std::move(pair.client);
  int completed = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client->submit("tincan.ping", {}, [&, i](const Result<Reply>&) {
      ++completed;
      if (i > 0) return;
      client.reset();
      throw 1;
    }));
  }
  pair.server.process();
  EXPECT_THROW(client->process(), int);
  EXPECT_EQ(completed, 3);
}

TEST(Completion, MayProcessAndThenDestroyTheClient) {
  auto pair = testing::pair();
  std::optional<Client> client = std::move(pair.client);
  int completed = 0;
  ASSERT_TRUE(client->submit("tincan.ping", {}, [&](const Result<Reply>&) {
    ++completed;
    ASSERT_TRUE(client->submit("tincan.ping", {}, [&](const Result<Reply>&) { ++completed; }));
    client->process();
    pair.server.process();
    client->process();
    client.reset();
  }));
  pair.server.process();
  client->process();
  EXPECT_EQ(completed, 2);
}

TEST(Completion, ThatIsEmptyIsAnError) {
  auto [server, client] = testing::pair();
  const auto submitted = client.submit("tincan.ping", {}, Client::Completion());
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().cause(), Cause::usage);
  client.process();
}

}  // namespace

}  // namespace tincan::test
