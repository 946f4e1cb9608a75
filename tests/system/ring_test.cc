// Connections that move to a ring in shared memory and back, over real sockets.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "system/ring_client.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

TEST_F(Rings, AreNotAskedForUnlessThereIsTraffic) {
  server_.run();
  ClientOptions options;
  options.transport = Transport::automatic;
  Client client = server_.connect(options);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(reply_to(client, "hello"), "hello");
  EXPECT_EQ(client.ring_bytes(), 0u);
  EXPECT_EQ(server_->counts().rings, 0u);
}

TEST_F(Rings, CarryAConnectionThatMakesManyCalls) {
  server_.run();
  ClientOptions options;
  options.transport = Transport::automatic;
  options.ring_window = 1h;  // however slow this machine is
  Client client = server_.connect(options);
  ASSERT_TRUE(reach_ring(client));
  EXPECT_EQ(client.ring_bytes(), limits::ring_bytes);
  EXPECT_EQ(server_->counts().rings, 1u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(reply_to(client, std::to_string(i)), std::to_string(i));
  EXPECT_GT(client.ring_bytes(), 0u);
}

TEST_F(Rings, CarryPayloadsLargerThanThemselves) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(reach_ring(client));
  for (const std::size_t bytes : {0u, 1u, 1000u, 65'536u, 300'000u, 5'000'000u}) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 2654435761u >> 24);
    EXPECT_TRUE(reply_to(client, text) == text) << bytes;
  }
  EXPECT_TRUE(reach_ring(client));  // again, if it has just left this one for a larger one
}

TEST_F(Rings, AreSharedByManyThreads) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(reach_ring(client));
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 200; ++i) {
        const std::string text = std::to_string(thread) + std::string(1 + i * 100, 'x');
        if (reply_to(client, text) != text) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(reach_ring(client));
}

TEST_F(Rings, EndWithTheServerAndTheNextCallFindsAnother) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(reach_ring(client));
  server_.end();
  const auto reply = client.call("echo", "x", {.deadline = 100ms});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
}

class IdleRings : public Rings {
 protected:
  IdleRings() : Rings(ServerOptions{.ring_idle = 50ms}) {}
};

TEST_F(IdleRings, AreTakenBackThoughTheClientSleeps) {
  server_.run();
  Client client = server_.connect(eager());
  ASSERT_TRUE(reach_ring(client));
  EXPECT_TRUE(eventually([&] { return server_->counts().rings == 0; }));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reply_to(client, "again"), "again");
  EXPECT_TRUE(reach_ring(client));
}

class HastyRings : public Rings {
 protected:
  HastyRings() : Rings(ServerOptions{.ring_grants_per_second = 1'000'000, .ring_idle = 1ms}) {}
};

// At any moment of a call: a server that is so hasty revokes whenever a thread is held up.
TEST_F(HastyRings, AreTakenBackInTheMiddleOfCallsAndNothingIsLost) {
  server_.run();
  Client client = server_.connect(eager());
  const std::string text(100'000, 'x');
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(reach_ring(client));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(reply_to(client, text) == text);
    if (round % 10 == 0) {
      ASSERT_TRUE(eventually([&] { return server_->counts().rings == 0; }));
    }
  }
}

TEST_F(Rings, LeaveNothingBehindWhenTheirClientsGo) {
  server_.run();
  for (int i = 0; i < 20; ++i) {
    Client client = server_.connect(eager());
    ASSERT_TRUE(reach_ring(client));
  }
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 0; }));
  EXPECT_EQ(server_->counts().rings, 0u);
}

class FewRings : public Rings {
 protected:
  FewRings() : Rings(ServerOptions{.rings_per_uid_max = 1}) {}
};

TEST_F(FewRings, AreRefusedBeyondTheirNumberAndTheSocketGoesOn) {
  server_.run();
  Client first = server_.connect(eager());
  Client second = server_.connect(eager());
  ASSERT_TRUE(reach_ring(first));
  EXPECT_FALSE(reach_ring(second));
  EXPECT_EQ(reply_to(second, "still here"), "still here");
  EXPECT_NE(second.ring_refusal().find("limit for one"), std::string::npos)
      << second.ring_refusal();
  first = server_.connect(eager());  // and the old one goes
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 2; }));
  EXPECT_TRUE(reach_ring(first));
}

TEST_F(Rings, HaveASizeThatARingCanHave) {
  server_.run();
  ClientOptions options = eager();
  options.ring_bytes = 64 * 1024;
  const auto client = Client::connect(server_.path(), options);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().cause(), Cause::usage);
}

class NoRings : public Rings {
 protected:
  NoRings() : Rings(ServerOptions{.rings_max = 0}) {}
};

TEST_F(NoRings, AreNeverAskedOfAServerThatHasNone) {
  server_.run();
  Client client = server_.connect(eager());
  EXPECT_FALSE(reach_ring(client));
  EXPECT_EQ(client.ring_refusal(), "");
}

}  // namespace
}  // namespace tincan::test
