// Streams of one-way messages: a Sender on one side, batches on the other.

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

#include "system/raw_server.h"
#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

constexpr CallOptions patient{.deadline = patience};

std::string numbered(std::uint64_t number, std::size_t bytes = 12) {
  std::string text = std::to_string(number);
  text.resize(std::max(bytes, text.size()), '.');
  return text;
}

/// Takes numbered messages, and says at "count" how many came, or what was wrong with them.
class Counting {
 public:
  explicit Counting(RunningServer& server) {
    server->on_batch("number", [this](const Batch& batch) {
      ++batches;
      for (const auto message : batch) take(text_of(message));
    });
    server->on("count", [this](Request request) {
      request.reply(wrong.empty() ? std::to_string(next) : wrong);
    });
  }
  void take(std::string_view text) {
    if (text.substr(0, text.find('.')) != std::to_string(next)) {
      wrong = "after " + std::to_string(next) + " came " + std::string(text.substr(0, 20));
    }
    ++next;
  }

  std::uint64_t next = 0;
  std::uint64_t batches = 0;
  std::string wrong;
};

struct Carrier {
  const char* name;
  ClientOptions options;
};

class Senders : public testing::TestWithParam<Carrier> {
 protected:
  Client connect(const RunningServer& server) {
    Client client = server.connect(GetParam().options);
    if (GetParam().options.transport == Transport::automatic) {
      while (client.ring_bytes() == 0) or_exit(client.call("tincan.ping", "", patient));
    }
    return client;
  }
};

INSTANTIATE_TEST_SUITE_P(, Senders,
                         testing::Values(Carrier{"socket", {.transport = Transport::socket}},
                                         Carrier{"ring",
                                                 {.ring_after_calls = 1, .ring_window = 1h}}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(Senders, SendEveryMessageOnceAndInOrderOfWhateverSize) {  // P2
  RunningServer server;
  Counting counting(server);
  server.run();
  Client client = connect(server);
  Sender sender = or_exit(client.sender("number", patient));
  const std::size_t sizes[] = {
      0, 1, 100, 1000, 20'000, limits::batch_bytes - 4, limits::batch_bytes - 3, 65'536, 200'000};
  std::uint64_t sent = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::size_t bytes = i % 100 == 99 ? sizes[i / 100 % 9] : sizes[i % 4];
    ASSERT_TRUE(sender.add(numbered(sent++, bytes)));
    if (i % 500 == 499) {
      ASSERT_TRUE(sender.flush());
    }
  }
  ASSERT_TRUE(sender.flush());
  EXPECT_EQ(or_exit(client.call("count", "", patient)).text(), std::to_string(sent));
  server.end();
  EXPECT_LT(counting.batches, sent / 5);
}

TEST_P(Senders, KeepTheOrderWithOtherCallsOfTheirThread) {
  RunningServer server;
  Counting counting(server);
  server->on("alone", [&](Request request) { counting.take(request.text()); });
  server.run();
  Client client = connect(server);
  Sender sender = or_exit(client.sender("number", patient));
  std::uint64_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(sender.add(numbered(sent++)));
    ASSERT_TRUE(sender.send(numbered(sent++)));
    ASSERT_TRUE(sender.send(numbered(sent++)));
    ASSERT_TRUE(client.send("alone", numbered(sent++), patient));
  }
  EXPECT_EQ(or_exit(client.call("count", "", patient)).text(), std::to_string(sent));
}

TEST_P(Senders, HoldNothingBackThatIsToBeSentAtOnce) {
  RunningServer server;
  std::atomic<int> came = 0;
  server->on_batch("alone", [&](const Batch& batch) { came += static_cast<int>(batch.size()); });
  server.run();
  Client client = connect(server);
  Sender sender = or_exit(client.sender("alone", patient));
  ASSERT_TRUE(sender.send("now"));
  EXPECT_TRUE(eventually([&] { return came == 1; }));
  ASSERT_TRUE(sender.add("later"));
  ASSERT_TRUE(sender.send("now"));
  EXPECT_TRUE(eventually([&] { return came == 3; }));
}

TEST_P(Senders, ReachHandlersThatTakeOneMessageAtATime) {
  RunningServer server;
  Counting counting(server);
  server->on("single", [&](Request request) { counting.take(request.text()); });
  server.run();
  Client client = connect(server);
  Sender sender = or_exit(client.sender("single", patient));
  for (std::uint64_t i = 0; i < 20'000; ++i) ASSERT_TRUE(sender.add(numbered(i)));
  ASSERT_TRUE(sender.flush());
  EXPECT_EQ(or_exit(client.call("count", "", patient)).text(), "20000");
}

TEST_P(Senders, WaitWhileTheServerTakesNothing) {
  RunningServer server({.incoming_bytes_max = 100'000});
  std::atomic<bool> stuck = true;
  std::uint64_t bytes = 0;
  server->on_batch("bytes", [&](const Batch& batch) {
    while (stuck) std::this_thread::yield();
    for (const auto message : batch) bytes += message.size();
  });
  server->on("count", [&](Request request) { request.reply(std::to_string(bytes)); });
  server.run();
  Client client = connect(server);
  Sender sender = or_exit(client.sender("bytes", {.deadline = 50ms}));
  const std::string message(1000, 'x');
  Result<void> added;
  std::uint64_t most = 0;
  while (added && most < 100'000'000) {
    added = sender.add(message);
    most += message.size();
  }
  ASSERT_FALSE(added) << "all of it was taken";
  EXPECT_EQ(added.error().cause(), Cause::deadline);
  stuck = false;
  const std::uint64_t taken =
      std::stoull(std::string(or_exit(client.call("count", "", patient)).text()));
  EXPECT_GT(taken, 0u);
  EXPECT_LE(taken, most);
}

TEST(Sender, OfManyThreadsShareOneConnection) {
  RunningServer server;
  std::atomic<std::uint64_t> sum = 0;
  server->on_batch("add", [&](const Batch& batch) {
    for (const auto message : batch) sum += std::stoull(std::string(text_of(message)));
  });
  server.run(2);
  Client client = server.connect();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Sender sender = or_exit(client.sender("add", patient));
      for (int k = 1; k <= 1000; ++k) EXPECT_TRUE(sender.add(std::to_string(k)));
      EXPECT_TRUE(sender.flush());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(eventually([&] { return sum == 4 * 500'500; })) << sum;
}

TEST(Sender, SendsWhatWasAddedWhenItGoesAndOnlyOnceWhenItWasMoved) {
  RunningServer server;
  Counting counting(server);
  server.run();
  Client client = server.connect();
  {
    Sender first = or_exit(client.sender("number", patient));
    ASSERT_TRUE(first.add(numbered(0)));
    Sender second = std::move(first);
    ASSERT_TRUE(second.add(numbered(1)));
    Sender third = or_exit(client.sender("number", patient));
    third = std::move(second);
    ASSERT_TRUE(third.add(numbered(2)));
  }
  EXPECT_EQ(or_exit(client.call("count", "", patient)).text(), "3");
}

TEST(Sender, IsToldThatNothingWasSentWhenTheServerHasGone) {
  RunningServer server;
  server->on_batch("number", [](const Batch&) {});
  server.run();
  Client client = server.connect({.reconnect_deadline = 0ms});
  Sender sender = or_exit(client.sender("number", patient));
  ASSERT_TRUE(sender.send("one"));
  server.end();
  ASSERT_TRUE(sender.add("two"));
  const auto flushed = sender.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().outcome(), Outcome::not_sent) << flushed.error().explain();
  EXPECT_TRUE(sender.flush()) << "what failed is gone";
}

TEST(Sender, FindsTheNextServerByItself) {
  const TemporaryDirectory directory;
  std::optional<Server> server = or_exit(Server::listen(directory / "s"));
  std::thread loop([&] { EXPECT_TRUE(server->run()); });
  Client client = or_exit(Client::connect(directory / "s"));
  Sender sender = or_exit(client.sender("number", patient));
  server->stop();
  loop.join();
  server.reset();
  server = or_exit(Server::listen(directory / "s"));
  std::uint64_t next = 0;
  server->on_batch("number", [&](const Batch& batch) { next += batch.size(); });
  loop = std::thread([&] { EXPECT_TRUE(server->run()); });
  ASSERT_TRUE(sender.add("one"));
  ASSERT_TRUE(sender.add("two"));
  EXPECT_TRUE(sender.flush());
  or_exit(client.call("tincan.ping", "", patient));
  server->stop();
  loop.join();
  EXPECT_EQ(next, 2u);
}

TEST(Sender, CollectsAsMuchAsItIsTold) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, limits::fragment_bytes_max}) {
    RunningServer server;
    std::vector<std::size_t> sizes;
    server->on_batch("log", [&](const Batch& batch) { sizes.push_back(batch.size()); });
    server.run();
    Client client = server.connect({.batch_bytes = bytes, .stream_buffer_bytes = 0});
    Sender sender = or_exit(client.sender("log", patient));
    for (int i = 0; i < 6500; ++i) ASSERT_TRUE(sender.add("123456"));
    ASSERT_TRUE(sender.flush());
    or_exit(client.call("tincan.ping", "", patient));
    server.end();
    const std::size_t most = std::min<std::size_t>(std::max<std::size_t>(bytes / 10, 1), 4096);
    EXPECT_EQ(std::ranges::max(sizes), most);
    EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}), 6500u);
  }
}

TEST(Sender, CollectsHalfAsMuchForARing) {
  RunningServer server;
  std::vector<std::size_t> sizes;
  server->on_batch("log", [&](const Batch& batch) { sizes.push_back(batch.size()); });
  server.run();
  Client client = server.connect({.transport = Transport::ring, .batch_bytes = 1000});
  Sender sender = or_exit(client.sender("log", patient));
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(sender.add("123456"));
  ASSERT_TRUE(sender.add(std::string(600, 'x')));  // too large for half, and so it goes alone
  or_exit(client.call("tincan.ping", "", patient));
  server.end();
  std::vector<std::size_t> expected{100};  // before it is known where they go
  expected.insert(expected.end(), 6, 50);
  expected.push_back(1);
  EXPECT_EQ(sizes, expected);
}

TEST(Sender, SendsOneByOneToAServerThatKnowsNoBatches) {
  RawServer server;
  auto [client, peer] = server.connect();
  Sender sender = or_exit(client.sender("number", patient));
  ASSERT_TRUE(sender.add("one"));
  ASSERT_TRUE(sender.add("two"));
  ASSERT_TRUE(sender.flush());
  for (const char* const expected : {"one", "two"}) {
    const auto frame = peer.read(wire::Kind::call);
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->header.flags, wire::flag_one_way);
    EXPECT_EQ(frame->payload(), expected);
  }
}

TEST(Sender, SaysWhatItCannotSend) {
  RunningServer server({.payload_bytes_max = 1000});
  server->on_batch("number", [](const Batch&) {});
  server.run();
  Client client = server.connect();
  EXPECT_EQ(client.sender("").error().cause(), Cause::usage);
  EXPECT_EQ(client.sender(std::string(256, 'm')).error().cause(), Cause::usage);
  EXPECT_EQ(Client::connect(server.path(), {.batch_bytes = limits::fragment_bytes_max + 1})
                .error()
                .cause(),
            Cause::usage);
  const Descriptor descriptor(::dup(0));
  EXPECT_EQ(client.sender("number", {.descriptors = {&descriptor, 1}}).error().cause(),
            Cause::usage);
  Sender sender = or_exit(client.sender("number", patient));
  ASSERT_TRUE(sender.add("small"));
  ASSERT_TRUE(sender.add(std::string(1001, 'x')));
  const auto flushed = sender.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().cause(), Cause::too_large);
  EXPECT_EQ(flushed.error().outcome(), Outcome::not_sent);
}

TEST(Batch, IsAnsweredWhenACallerWantsToKnowThatItWasTaken) {
  RunningServer server;
  std::string taken;
  server->on_batch("log", [&](const Batch& batch) {
    EXPECT_EQ(batch.method(), "log");
    EXPECT_EQ(batch.peer().uid(), ::getuid());
    EXPECT_TRUE(batch.deadline());
    for (const auto message : batch) taken += std::string(text_of(message)) + ",";
  });
  server.run();
  Client client = server.connect();
  Sender sender = or_exit(client.sender("log", patient));
  ASSERT_TRUE(sender.add("one"));
  ASSERT_TRUE(sender.add("two"));
  ASSERT_TRUE(sender.flush());
  EXPECT_EQ(or_exit(client.call("log", "three", patient)).text(), "");
  EXPECT_EQ(or_exit(client.call("log", std::string(200'000, 'x'), patient)).text(), "");
  server.end();
  EXPECT_EQ(taken, "one,two,three," + std::string(200'000, 'x') + ",");
}

TEST(Batch, OfAHandlerThatThrowsLosesTheRestAndTellsACaller) {
  RunningServer server;
  std::atomic<int> seen = 0;
  server->on_batch("log", [&](const Batch& batch) {
    for (const auto message : batch) {
      ++seen;
      if (text_of(message) == "bad") throw std::runtime_error("no good");
    }
  });
  server.run();
  Client client = server.connect();
  Sender sender = or_exit(client.sender("log", patient));
  for (const char* const text : {"good", "bad", "lost"}) ASSERT_TRUE(sender.add(text));
  ASSERT_TRUE(sender.flush());
  ASSERT_TRUE(sender.send("good"));
  const auto told = client.call("log", "bad", patient);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().outcome(), Outcome::declared);
  EXPECT_EQ(seen, 4);
}

TEST(Batch, IsNotTakenFromWhomTheMethodDoesNotAllow) {
  RunningServer server;
  bool ran = false;
  server->on_batch("log", [&](const Batch&) { ran = true; }, {.uids = {12345}});
  server.run();
  Client client = server.connect();
  Sender sender = or_exit(client.sender("log", patient));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(sender.add("text"));
  ASSERT_TRUE(sender.flush());
  or_exit(client.call("tincan.ping", "", patient));
  EXPECT_EQ(server->counts().refused, 3u);
  server.end();
  EXPECT_FALSE(ran);
}

}  // namespace

}  // namespace tincan::test
