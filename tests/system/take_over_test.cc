// A path passes from a living server to its successor, or stays where it is (promises 7 and 9).

#include <future>
#include <thread>

#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

const ServerOptions willing{.take_over = true};

void answer_as(Server& server, std::string_view name) {
  server.on("who", [name](Request request) { request.reply(name); });
}

TEST(TakeOver, LosesNoClientOfTheOldServer) {  // P7
  RunningServer old(willing);
  answer_as(*old.operator->(), "old");
  old.run(2);
  Client client = old.connect();
  EXPECT_EQ(or_exit(client.call("who")).text(), "old");
  Server successor = or_exit(Server::listen(old.path(), willing));
  answer_as(successor, "successor");
  std::thread loop([&] { EXPECT_TRUE(successor.run()); });
  old.join();  // it was told to drain
  EXPECT_EQ(or_exit(client.call("who")).text(), "successor");
  old.end();
  EXPECT_EQ(or_exit(old.connect().call("who")).text(), "successor");
  successor.stop();
  loop.join();
}

TEST(TakeOver, LeavesThePathToTheSuccessorOfAServerThatNeverDrains) {  // P9
  const TemporaryDirectory directory;
  const std::string path = directory / "s";
  std::optional<Server> old = or_exit(Server::listen(path, willing));
  auto successor = std::async(std::launch::async, [&] { return Server::listen(path, willing); });
  // The turn that hands the path over is the last one of the old server.
  ASSERT_TRUE(eventually([&] {
    old->process();
    return old->counts().calls == 1;
  }));
  Server taken = or_exit(successor.get());
  old.reset();
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  std::thread loop([&] { EXPECT_TRUE(taken.run()); });
  EXPECT_TRUE(Client::connect(path, {.connect_deadline = patience}));
  taken.stop();
  loop.join();
}

TEST(TakeOver, IsDoneByTheFirstTurnOfAnEventLoop) {
  RunningServer old(willing);
  answer_as(*old.operator->(), "old");
  old.run();
  Server successor = or_exit(Server::listen(old.path(), willing));
  answer_as(successor, "successor");
  // Who polls fd() until then need not wait for a client.
  ASSERT_TRUE(successor.deadline());
  EXPECT_LE(*successor.deadline(), std::chrono::steady_clock::now());
  EXPECT_EQ(or_exit(old.connect().call("who")).text(), "old");
  EXPECT_TRUE(successor.process());
  EXPECT_FALSE(successor.deadline());
  old.join();  // it was told
  std::thread loop([&] { EXPECT_TRUE(successor.run()); });
  EXPECT_EQ(or_exit(old.connect().call("who")).text(), "successor");
  successor.stop();
  loop.join();
}

TEST(TakeOver, ThatIsNeverBegunIsNone) {
  RunningServer server(willing);
  server.run();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(eventually([&] { return Server::listen(server.path(), willing).has_value(); }));
  }
  EXPECT_TRUE(server.connect().call("tincan.ping"));
  server.end();
  EXPECT_NE(::access(server.path().c_str(), F_OK), 0);
}

TEST(TakeOver, IsRefusedToWhoCannotGetTheListener) {
  RunningServer server(willing);
  server.run();
  Client client = server.connect();
  const auto reply = client.call("tincan.take_over");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::declared);
  EXPECT_TRUE(client.send("tincan.take_over"));  // nobody could get it
  EXPECT_TRUE(client.call("tincan.ping"));
  EXPECT_EQ(client.reconnects(), 0u);
  // A real successor is as welcome as before.
  Server successor = or_exit(Server::listen(server.path(), willing));
  std::thread loop([&] { EXPECT_TRUE(successor.run()); });
  server.join();
  EXPECT_TRUE(client.call("tincan.ping"));
  successor.stop();
  loop.join();
}

TEST(TakeOver, ThatFailedLeavesThePathToItsServerWhichRemovesIt) {  // P8
  RunningServer server(willing);
  server.run();
  EXPECT_FALSE(server.connect().call("tincan.take_over"));
  server.end();
  EXPECT_NE(::access(server.path().c_str(), F_OK), 0);
}

}  // namespace

}  // namespace tincan::test
