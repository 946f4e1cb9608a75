// fork(2) and signals do not disturb a conversation (promises 17 and 18).

#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"
#include "system/server_process.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

bool is_forked(const Failure& failure) {
  return failure.cause() == Cause::forked && failure.outcome() == Outcome::not_sent &&
         failure.detail().find("fork()") != std::string::npos;
}

TEST(Fork, MakesTheChildsClientFailAndLeavesTheParentsAlone) {  // P18, attack 43
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  std::optional<Client> client = or_exit(Client::connect(directory / "s"));
  ASSERT_TRUE(client->submit("tincan.ping", {}, [](const Result<Reply>&) {}));
  ASSERT_GE(client->fd(), 0);
  for (int i = 0; i < 20; ++i) {
    auto child = Process::fork([&] {
      const auto called = client->call("tincan.ping");
      if (called || !is_forked(called.error())) return 1;
      const auto sent = client->send("tincan.ping");
      if (sent || !is_forked(sent.error())) return 2;
      const auto submitted = client->submit("tincan.ping", {}, [](const Result<Reply>&) {});
      if (submitted || !is_forked(submitted.error())) return 3;
      client->process();
      client->cancel(1);
      client.reset();
      // A client of its own is as good as any.
      Client own = or_exit(Client::connect(directory / "s"));
      return own.call("tincan.ping") ? 0 : 4;
    });
    EXPECT_EQ(child.wait(), 0) << child.output();
    EXPECT_TRUE(client->call("tincan.ping"));
  }
  EXPECT_EQ(client->reconnects(), 0u);
}

TEST(Fork, LeavesTheServersConnectionsAndPathToTheParent) {  // P18, attack 44
  TemporaryDirectory directory;
  std::optional<Server> server = or_exit(Server::listen(directory / "s"));
  std::thread loop([&] { EXPECT_TRUE(server->run()); });
  Client client = or_exit(Client::connect(directory / "s"));
  ASSERT_TRUE(client.call("tincan.ping"));
  auto child = Process::fork([&] {
    server->stop();
    if (server->process()) return 1;
    const auto run = server->run();
    if (run || run.error().cause() != Cause::forked) return 2;
    server.reset();
    return 0;
  });
  EXPECT_EQ(child.wait(), 0) << child.output();
  EXPECT_TRUE(client.call("tincan.ping"));
  EXPECT_EQ(client.reconnects(), 0u);
  EXPECT_TRUE(Client::connect(directory / "s"));
  server->stop();
  loop.join();
}

TEST(Fork, LetsTheChildReplaceTheServerByItsOwn) {  // P18
  const TemporaryDirectory directory;
  Server server = or_exit(Server::listen(directory / "s"));
  std::vector<Request> held;
  std::atomic<bool> is_held = false;
  server.on("hold", [&](Request request) {
    held.push_back(std::move(request));
    is_held = true;
  });
  std::atomic<bool> finish = false;
  std::thread loop([&] { EXPECT_TRUE(server.run()); });
  // Its locks are held at any moment.
  std::thread counting([&] {
    while (!finish) (void)server.counts();
  });
  Client client = or_exit(Client::connect(directory / "s"));
  std::thread holding([&] { EXPECT_TRUE(client.call("hold", "", {.deadline = 60s})); });
  ASSERT_TRUE(eventually([&] { return is_held.load(); }));
  for (int i = 0; i < 20; ++i) {
    auto child = Process::fork([&] {
      if (server.counts().calls != 0 || server.deadline()) return 1;
      const auto replied = held.front().reply("from the child");
      if (replied || replied.error().cause() != Cause::forked) return 2;
      held.clear();
      server = or_exit(Server::listen(directory / "own"));
      return server.counts().calls == 0 ? 0 : 3;
    });
    ASSERT_EQ(child.wait(), 0) << child.output();
    std::filesystem::remove(directory / "own");
  }
  EXPECT_TRUE(held.front().reply("from the parent"));
  holding.join();
  finish = true;
  counting.join();
  held.clear();
  EXPECT_EQ(client.reconnects(), 0u);
  server.stop();
  loop.join();
}

TEST(Fork, InAHandlerThatReturnsEndsRunInTheChild) {  // P18
  const TemporaryDirectory directory;
  auto process = Process::fork([&] {
    Server server = or_exit(Server::listen(directory / "s"));
    server.on("fork", [](Request request) {
      std::fflush(nullptr);
      if (::fork() == 0) return;
      request.reply("parent");
    });
    server.on("next", [](Request request) {
      std::printf("next is run\n");
      std::fflush(stdout);
      request.reply();
    });
    std::printf("ready\n");
    std::fflush(stdout);
    const auto run = server.run();
    std::printf("%s\n", run ? "the parent ends" : "the child ends");
    std::fflush(stdout);
    return 0;
  });
  ASSERT_TRUE(process.wait_for_output("ready"));
  Client client = or_exit(Client::connect(directory / "s"));
  RawPeer peer(directory / "s");
  ASSERT_TRUE(peer.greet());
  // The next call is in the same read: it is the parent's to run, and not the child's.
  RawPeer::Bytes calls = RawPeer::call(1, 0, "fork");
  const auto next = RawPeer::call(2, 1, "next");
  calls.insert(calls.end(), next.begin(), next.end());
  ASSERT_TRUE(peer.send(calls));
  EXPECT_EQ(peer.read(wire::Kind::reply)->payload(), "parent");
  EXPECT_TRUE(peer.read(wire::Kind::reply));
  EXPECT_TRUE(process.wait_for_output("the child ends")) << process.output();
  const std::string& output = process.output();
  EXPECT_EQ(output.find("next is run"), output.rfind("next is run")) << output;
  EXPECT_TRUE(client.call("tincan.ping"));
  EXPECT_EQ(client.reconnects(), 0u);
}

/// How the child ended in which the handler of this call returned.
std::string fate_of_child(Client& client) {
  const auto reply = client.call("fork", "", {.deadline = patience});
  return reply ? std::string(reply->text()) : reply.error().explain();
}

// Also while the loop looks for messages, at rings that are not in the child, and at a socket.
TEST(Fork, InAHandlerEndsRunInTheChildWhileTheLoopLooksAtRings) {  // P18
  const TemporaryDirectory directory;
  constexpr int run_has_failed = 7;
  auto process = Process::fork([&] {
    Server server = or_exit(Server::listen(directory / "s", {.waiting = Waiting::spin}));
    server.on("fork", [](Request request) {
      const pid_t child = ::fork();
      if (child == 0) return;
      int status = 0;
      ::waitpid(child, &status, 0);
      request.reply(WIFEXITED(status) ? "exit " + std::to_string(WEXITSTATUS(status))
                                      : "signal " + std::to_string(WTERMSIG(status)));
    });
    std::printf("ready\n");
    std::fflush(stdout);
    return server.run() ? 0 : run_has_failed;
  });
  ASSERT_TRUE(process.wait_for_output("ready"));
  Client in_ring = or_exit(Client::connect(
      directory / "s", {.connect_deadline = patience, .transport = Transport::ring}));
  Client at_socket = or_exit(Client::connect(
      directory / "s", {.connect_deadline = patience, .transport = Transport::socket}));
  // The server is to be looking when the call comes, as it is behind others unless it is held up.
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(in_ring.call("tincan.ping"));
    ASSERT_TRUE(at_socket.call("tincan.ping"));
    EXPECT_EQ(fate_of_child(at_socket), "exit " + std::to_string(run_has_failed));
  }
  EXPECT_EQ(in_ring.reconnects(), 0u);
  EXPECT_EQ(at_socket.reconnects(), 0u);
}

TEST(Fork, KeepsNoConnectionAliveInTheChild) {  // P6, P18
  std::optional<RunningServer> server(std::in_place);
  server->run();
  Client client = server->connect({.reconnect_deadline = 1ms});
  ASSERT_TRUE(client.call("tincan.ping"));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  auto child = Process::fork([&] {
    ::close(ends[1]);
    char byte;
    return ::read(ends[0], &byte, 1) == 0 ? 0 : 1;  // lives until the test lets it go
  });
  server.reset();
  // The child holds nothing that would make the server seem alive.
  const auto reply = client.call("tincan.ping", "", {.deadline = 10s});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  EXPECT_NE(reply.error().cause(), Cause::deadline);
  ::close(ends[1]);
  ::close(ends[0]);
  EXPECT_EQ(child.wait(), 0);
}

TEST(Fork, InTheMiddleOfManyThreadsIsSafe) {  // P18
  RunningServer server;
  server.run();
  std::optional<Client> client = server.connect();
  std::optional<Reply> reply = or_exit(client->call("tincan.ping", "held"));
  std::atomic<bool> finish = false;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!finish) failed += !client->call("tincan.ping", "x", {.deadline = 60s});
    });
  }
  for (int i = 0; i < 100; ++i) {
    auto child = Process::fork([&] {
      const auto called = client->call("tincan.ping");
      if (called || !is_forked(called.error())) return 1;
      // The locks may be held by threads that are not here.
      if (client->fd() != -1 || client->deadline() || client->reconnects() != 0) return 2;
      if (client->peer().uid()) return 3;
      reply.reset();
      if (i % 2 == 0) {
        client.reset();
      } else {
        *client = server.connect();
        if (!client->call("tincan.ping")) return 4;
      }
      return 0;
    });
    ASSERT_EQ(child.wait(), 0) << "child " << i << ": " << child.output();
  }
  finish = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(client->reconnects(), 0u);
}

TEST(Fork, WhileAProgramIsStartedLetsTheChildStartOne) {  // P18
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer's own allocator stays locked in a child of a thread's fork";
#endif
  std::atomic<bool> finish = false;
  std::thread starting([&] {
    while (!finish) {
      const auto client = Client::connect("exec:/bin/true", {.connect_deadline = patience});
      EXPECT_FALSE(client);
    }
  });
  for (int i = 0; i < 20; ++i) {
    auto child = Process::fork([] {
      const auto client = Client::connect("exec:/bin/true", {.connect_deadline = patience});
      return client ? 1 : 0;
    });
    ASSERT_EQ(child.wait(), 0) << "child " << i << ": " << child.output();
  }
  finish = true;
  starting.join();
}

TEST(Exec, InheritsNoDescriptor) {  // P12, P18
  RunningServer server;
  server.run(2);
  Client client = server.connect();
  ASSERT_TRUE(client.call("tincan.ping"));
  ASSERT_GE(client.fd(), 0);
  auto child = Process::run({"/bin/ls", "-l", "/proc/self/fd"}, [] {
    ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  });
  ASSERT_EQ(child.wait(), 0);
  EXPECT_EQ(child.output().find("socket:"), std::string::npos) << child.output();
  EXPECT_EQ(child.output().find("eventpoll"), std::string::npos) << child.output();
  EXPECT_EQ(child.output().find("eventfd"), std::string::npos) << child.output();
}

/// A timer signal every millisecond, without SA_RESTART.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGALRM, &action, &before_);
    set(std::chrono::microseconds(1ms).count());
  }
  ~SignalStorm() {
    set(0);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  static void set(long microseconds) {
    const itimerval every{{0, microseconds}, {0, microseconds}};
    ::setitimer(ITIMER_REAL, &every, nullptr);
  }
  struct sigaction before_ = {};
};

TEST(Signals, EveryMillisecondAreNotSeenByCallsOrHandlers) {  // P17, attack 45
  const TemporaryDirectory directory;
  auto server = Process::fork([&] {
    const SignalStorm storm;
    return serve(directory / "s", [](Server& served) {
      served.on("echo", [](Request request) { request.reply(request.payload()); });
    });
  });
  ASSERT_TRUE(server.wait_for_output("ready"));
  const SignalStorm storm;
  Client client = or_exit(Client::connect(directory / "s", {.connect_deadline = 10s}));
  const std::string large(300'000, 'x');
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int calls = 2'000;
#else
  constexpr int calls = 20'000;
#endif
  for (int i = 0; i < calls; ++i) {
    const std::string_view payload = i % 500 == 0 ? std::string_view(large) : "small";
    const auto reply = client.call("echo", payload, {.deadline = 20s});
    ASSERT_TRUE(reply) << reply.error().explain();
    ASSERT_TRUE(reply->text() == payload);
  }
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST(Signals, AtAClosedConnectionDoNotKillAnybody) {  // P17, attack 10
  const TemporaryDirectory directory;
  // Both sides with the default action of SIGPIPE, which ends a process.
  ::signal(SIGPIPE, SIG_DFL);
  auto server = start_server(directory / "s", [](Server& served) {
    ::signal(SIGPIPE, SIG_DFL);
    served.on("large", [](Request request) { request.reply(std::string(1 << 20, 'x')); });
  });
  auto client = Process::fork([&] {
    ::signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 200; ++i) {
      RawPeer rude(directory / "s");
      rude.greet();
      rude.send(RawPeer::call(1, 0, "large"));
    }
    // And a client whose server goes while it writes.
    Client writer = or_exit(Client::connect(
        directory / "s", {.connect_deadline = patience, .reconnect_deadline = 1ms}));
    const std::string large(1 << 20, 'x');
    std::printf("writing\n");
    std::fflush(stdout);
    while (writer.call("tincan.ping", large)) {
    }
    return 0;
  });
  ASSERT_TRUE(client.wait_for_output("writing")) << client.output();
  EXPECT_TRUE(server.running());
  server.kill();
  EXPECT_EQ(client.wait(), 0) << client.output();
}

}  // namespace

}  // namespace tincan::test
