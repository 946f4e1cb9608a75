// Many threads on one client, many loops on one server.

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

TEST(Threads, SixtyFourShareOneClient) {  // P2
  RunningServer server;
  server.run();
  Client client = server.connect();
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  constexpr int calls = 50;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < calls; ++k) {
        std::string text = std::to_string(i) + ":" + std::to_string(k);
        if (k % 10 == 0) text.resize(100'000, 'x');
        const auto reply = client.call("tincan.ping", text, {.deadline = 60s});
        right += reply && reply->text() == text;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 64 * calls);
  EXPECT_EQ(client.reconnects(), 0u);
  EXPECT_EQ(server->counts().accepted, 1u);
}

TEST(Threads, OvertakeEachOtherOnOneConnection) {
  RunningServer server;
  std::promise<Request> arrived;
  server->on("slow", [&](Request request) { arrived.set_value(std::move(request)); });
  server.run();
  Client client = server.connect();
  auto slow = std::async(std::launch::async, [&] { return client.call("slow", "", {1h}); });
  Request request = arrived.get_future().get();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.call("tincan.ping"));
  request.reply("at last");
  EXPECT_EQ(slow.get()->text(), "at last");
}

TEST(Threads, AllGetTheirTurnWhenMoreOfThemCallThanMayBeInFlight) {  // P3, P4
  RunningServer server;
  server.run();
  Client client = server.connect({.calls_in_flight_max = 2});
  std::vector<std::thread> threads;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) {
        answered += client.call("tincan.ping", "", {.deadline = 1h}).has_value();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 800);
}

TEST(Threads, AllLearnOfTheServersDeathAtOnce) {  // P3, P6
  std::vector<std::future<Result<Reply>>> calls;
  std::optional<Client> client;
  {
    RunningServer server({.drain_deadline = 1ms});
    std::vector<Request> held;
    server->on("hold", [&](Request request) { held.push_back(std::move(request)); });
    server.run();
    client.emplace(server.connect({.reconnect_deadline = 1ms}));
    for (int i = 0; i < 16; ++i) {
      calls.push_back(
          std::async(std::launch::async, [&] { return client->call("hold", "", {1h}); }));
    }
    ASSERT_TRUE(eventually([&] { return server->counts().calls == 16; }));
    server.end();
  }
  for (auto& call : calls) {
    const auto reply = call.get();
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().outcome(), Outcome::unknown);
    EXPECT_EQ(reply.error().cause(), Cause::closed);
  }
}

TEST(Threads, HandReadingOnWhenTheReaderLeaves) {  // P3
  RunningServer server;
  std::vector<Request> held;
  std::mutex mutex;
  server->on("hold", [&](Request request) {
    const std::lock_guard lock(mutex);
    held.push_back(std::move(request));
  });
  server.run();
  Client client = server.connect();
  // Each leaves at its own deadline, the reader of the moment among them; the last is answered.
  std::vector<std::thread> threads;
  std::atomic<int> expired = 0;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      const auto reply =
          client.call("hold", "", {.deadline = std::chrono::milliseconds(5 + 3 * i)});
      expired += !reply && reply.error().cause() == Cause::deadline;
    });
  }
  auto last = std::async(std::launch::async, [&] { return client.call("hold", "last", {1h}); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(expired, 16);
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    for (Request& request : held) {
      if (request.text() == "last") return request.reply("read"), true;
    }
    return false;
  }));
  EXPECT_EQ(last.get()->text(), "read");
}

TEST(Threads, MixBlockingCallsWithAPollLoopOnOneClient) {
  RunningServer server;
  server.run();
  Client client = server.connect();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 300; ++k) EXPECT_TRUE(client.call("tincan.ping", "", {60s}));
    });
  }
  int completed = 0;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(client.submit("tincan.ping", {},
                              [&](const Result<Reply>& reply) { completed += reply.has_value(); },
                              {.deadline = 60s}));
    ASSERT_TRUE(process_until(client, [&] { return completed > i - 16; }));
  }
  ASSERT_TRUE(process_until(client, [&] { return completed == 300; }));
  for (std::thread& thread : threads) thread.join();
}

TEST(Loops, ShareTheConnectionsEvenly) {
  constexpr int loops = 4;
  constexpr int connections = 200;
  RunningServer server;
  server->on("where", [](Request request) {
    const auto self = std::this_thread::get_id();
    request.reply(std::as_bytes(std::span(&self, 1)));
  });
  server.run(loops);
  // All loops are there once each of them has answered somebody.
  std::vector<Client> clients;
  std::map<std::string, int> shares;
  ASSERT_TRUE(eventually([&] {
    clients.push_back(server.connect());
    shares[std::string(or_exit(clients.back().call("where")).text())] = 0;
    return shares.size() == loops;
  }));
  clients.clear();
  ASSERT_TRUE(eventually([&] { return server->counts().connections == 0; }));
  shares.clear();
  for (int i = 0; i < connections; ++i) {
    clients.push_back(server.connect());
    ++shares[std::string(or_exit(clients.back().call("where")).text())];
  }
  ASSERT_EQ(shares.size(), static_cast<std::size_t>(loops));
  for (const auto& [loop, share] : shares) {
    EXPECT_LE(share, 2 * connections / loops);
    EXPECT_GE(share, connections / loops / 2);
  }
}

TEST(Loops, AnswerAcrossAndStopTogether) {
  RunningServer server;
  std::mutex mutex;
  std::vector<Request> waiting;
  server->on("swap", [&](Request request) {  // answers the other one's request
    const std::lock_guard lock(mutex);
    if (waiting.empty()) return waiting.push_back(std::move(request));
    waiting.back().reply(request.text());
    request.reply(waiting.back().text());
    waiting.pop_back();
  });
  server.run(3);
  std::vector<std::thread> threads;
  std::atomic<int> swapped = 0;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      Client client = server.connect();
      const std::string own = std::to_string(i);
      for (int k = 0; k < 300; ++k) {
        const auto reply = client.call("swap", own, {.deadline = 60s});
        swapped += reply.has_value();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(swapped, 600);
  server->stop();
  server.join();
}

TEST(Loops, CountTheQuotaTogether) {  // P4
  RunningServer server({.connections_max = 6});
  server.run(3);
  std::vector<Client> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(server.connect());
  const auto seventh = Client::connect(server.path());
  ASSERT_FALSE(seventh);
  EXPECT_EQ(seventh.error().cause(), Cause::exhausted);
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return Client::connect(server.path()).has_value(); }));
}

TEST(Threads, UseManyClientsOfManyServersInOneProcess) {
  constexpr int count = 5;
  std::vector<std::unique_ptr<RunningServer>> servers;
  std::vector<Client> clients;
  for (int i = 0; i < count; ++i) {
    servers.push_back(std::make_unique<RunningServer>());
    (*servers.back())->on("who", [i](Request request) { request.reply(std::to_string(i)); });
    servers.back()->run();
    clients.push_back(servers.back()->connect());
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        Client& client = clients[static_cast<std::size_t>(k % count)];
        EXPECT_EQ(or_exit(client.call("who")).text(), std::to_string(k % count));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Threads, RestartTogetherWhenTheServerComesBack) {  // P7
  TemporaryDirectory directory;
  const std::string path = directory / "s";
  const auto start = [&] {
    auto server = std::make_unique<Server>(or_exit(Server::listen(path, {.drain_deadline = 0ms})));
    return server;
  };
  auto server = start();
  std::thread loop([&] { EXPECT_TRUE(server->run()); });
  Client client = or_exit(
      Client::connect(path, {.connect_deadline = patience, .reconnect_deadline = patience}));
  std::atomic<bool> finish = false;
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  constexpr int callers = 8;
  for (int i = 0; i < callers; ++i) {
    threads.emplace_back([&] {
      while (!finish) {
        const auto reply = client.call("tincan.ping", "", {.deadline = 60s, .idempotent = true});
        EXPECT_TRUE(reply) << reply.error().explain();
        ++answered;
      }
    });
  }
  constexpr int restarts = 5;
  for (int round = 0; round < restarts; ++round) {
    server->stop();
    loop.join();
    server.reset();
    server = start();
    loop = std::thread([&] { EXPECT_TRUE(server->run()); });
    // Each caller may still have to count one answer of the server before this one.
    const int before = answered;
    EXPECT_TRUE(eventually([&] { return answered > before + callers; }));
  }
  finish = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(client.reconnects(), static_cast<std::uint64_t>(restarts));
  server->stop();
  loop.join();
}

}  // namespace

}  // namespace tincan::test
