// A take-over that ends half-way, on either side (promises 7, 8 and 9). Every server is a process.

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include "support/seam.h"
#include "support/temporary_directory.h"
#include "support/user.h"
#include "system/server_process.h"
#include "tincan/client.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

/// A process that waits is let go on, or reads that nobody will.
class Gate {
 public:
  Gate() {
    if (::pipe2(ends_, O_CLOEXEC) < 0) throw std::runtime_error("pipe2");
  }
  Gate(const Gate&) = delete;
  ~Gate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void open() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void wait() const {
    char byte;
    [[maybe_unused]] const auto bytes = ::read(ends_[0], &byte, 1);
  }

 private:
  int ends_[2] = {-1, -1};
};

Server* stopped_by_signal = nullptr;

/// What a server process is and does.
struct Part {
  std::string name;  ///< What "who" answers.
  ServerOptions options = {.take_over = true};
  const Gate* gate = nullptr;             ///< Waited for between listen() and run().
  uid_t uid = ::geteuid();                ///< Root becomes that user before.
  std::function<void()> before_run = {};  ///< Once the gate is open.
};

int play(const std::string& path, const Part& part) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (part.uid != ::geteuid() && !become(part.uid)) return 126;
  auto server = Server::listen(path, part.options);
  if (!server) {
    std::printf("failed: %s\n", server.error().explain().c_str());
    return 1;
  }
  stopped_by_signal = &*server;
  ::signal(SIGTERM, [](int) { stopped_by_signal->stop(); });
  server->on("who", [&](Request request) { request.reply(part.name); });
  std::printf("listening\n");
  std::fflush(stdout);
  if (part.gate != nullptr) part.gate->wait();
  if (part.before_run) part.before_run();
  const auto run = server->run();
  if (!run) std::printf("ended: %s\n", run.error().explain().c_str());
  return run ? 0 : 2;
}

class HalfATakeOver : public ::testing::Test {
 protected:
  Process start(const Part& part) {
    return Process::fork([this, part] { return play(path_, part); });
  }
  Process started(const Part& part) {
    Process process = start(part);
    EXPECT_TRUE(process.wait_for_output("listening")) << process.output();
    return process;
  }
  /// Who answers a new client; what went wrong, if nobody does.
  [[nodiscard]] std::string who() const {
    auto client =
        Client::connect(path_, {.connect_deadline = patience, .server_uid = status().st_uid});
    if (!client) return client.error().explain();
    auto reply = client->call("who", "", {.deadline = patience});
    return reply ? std::string(reply->text()) : reply.error().explain();
  }
  [[nodiscard]] struct stat status() const {
    struct stat status = {};
    ::lstat(path_.c_str(), &status);
    return status;
  }
  [[nodiscard]] mode_t mode() const { return status().st_mode & 07777; }
  [[nodiscard]] bool exists() const { return ::access(path_.c_str(), F_OK) == 0; }
  /// In order: it drains, and exits with 0.
  static void end(Process& server) {
    server.kill(SIGTERM);
    EXPECT_EQ(server.wait(), 0) << server.output();
  }
  void give_directory_to(uid_t uid) const {
    ASSERT_EQ(::chown(directory_.path().c_str(), uid, uid), 0);
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "s";
  Gate gate_;
};

TEST_F(HalfATakeOver, ThatMayNotSetItsGroupLeavesTheOldServerAndItsRights) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user who may not";
  give_directory_to(stranger);
  Process old =
      started({.name = "old", .options = {.mode = 0660, .take_over = true}, .uid = stranger});
  Process successor = start({.name = "successor",
                             .options = {.mode = 0600, .group = "0", .take_over = true},
                             .uid = stranger});
  EXPECT_EQ(successor.wait(), 1);
  EXPECT_NE(successor.output().find("may not give it to"), std::string::npos) << successor.output();
  EXPECT_EQ(mode(), 0660u);  // at once: who failed has put it back
  EXPECT_EQ(status().st_gid, stranger);
  EXPECT_EQ(who(), "old");
  end(old);
  EXPECT_FALSE(exists());
}

TEST_F(HalfATakeOver, IsTakenBackWhenTheSuccessorIsKilled) {  // P8
  const ServerOptions narrow{.mode = 0600, .take_over = true};
  const ServerOptions wide{.mode = 0666, .take_over = true};
  Process old = started({.name = "old", .options = narrow});
  const ino_t inode = status().st_ino;
  for (int i = 0; i < 3; ++i) {
    Process successor = started({.name = "successor", .options = wide, .gate = &gate_});
    EXPECT_EQ(mode(), 0666u);
    EXPECT_EQ(who(), "old");  // it serves until the successor does
    successor.kill();
    EXPECT_EQ(successor.wait(), -SIGKILL);
    EXPECT_TRUE(eventually([&] { return mode() == 0600u; }));
  }
  EXPECT_EQ(status().st_ino, inode);
  EXPECT_EQ(who(), "old");
  EXPECT_TRUE(eventually([&] {
    return read_file(directory_ / ".s.lock").contains("pid " + std::to_string(old.pid()));
  })) << read_file(directory_ / ".s.lock");
  Process third = started({.name = "third", .options = wide});
  EXPECT_EQ(old.wait(), 0);
  EXPECT_EQ(who(), "third");
  end(third);
  EXPECT_FALSE(exists());
}

TEST_F(HalfATakeOver, WhoseOldServerEndsLeavesThePathToTheSuccessor) {  // P9
  for (const int signal : {SIGTERM, SIGKILL}) {
    Process old = started({.name = "old"});
    const ino_t inode = status().st_ino;
    const Gate gate;
    Process successor = started({.name = "successor", .gate = &gate});
    EXPECT_TRUE(old.running());
    old.kill(signal);
    EXPECT_EQ(old.wait(), signal == SIGTERM ? 0 : -SIGKILL) << old.output();
    EXPECT_EQ(status().st_ino, inode);  // nothing was unlinked under it
    Process other = start({.name = "other", .options = {}});
    EXPECT_EQ(other.wait(), 1);
    EXPECT_NE(other.output().find("held by pid " + std::to_string(successor.pid())),
              std::string::npos)
        << other.output();
    gate.open();
    EXPECT_EQ(who(), "successor");
    end(successor);
    EXPECT_FALSE(exists());
  }
}

TEST_F(HalfATakeOver, IsNoTimeWithoutAServer) {  // P7
  Process old = started({.name = "old"});
  Client client = or_exit(Client::connect(path_, {.connect_deadline = patience}));
  Process successor = started({.name = "successor", .gate = &gate_});
  for (int i = 0; i < 100; ++i) ASSERT_EQ(who(), "old");
  gate_.open();
  // Both accept for a while, and whoever does, answers.
  std::string last;
  EXPECT_TRUE(eventually([&] {
    last = who();
    const bool known = last == "old" || last == "successor";
    EXPECT_TRUE(known) << last;
    return !known || last == "successor";
  }));
  EXPECT_EQ(old.wait(), 0);
  EXPECT_EQ(or_exit(client.call("who")).text(), "successor");
  EXPECT_EQ(who(), "successor");
  end(successor);
}

TEST_F(HalfATakeOver, IsRefusedToASecondSuccessor) {
  Process old = started({.name = "old", .options = {.mode = 0600, .take_over = true}});
  Process first =
      started({.name = "first", .options = {.mode = 0660, .take_over = true}, .gate = &gate_});
  Process second = start({.name = "second", .options = {.mode = 0666, .take_over = true}});
  EXPECT_EQ(second.wait(), 1) << second.output();
  EXPECT_NE(second.output().find("pid " + std::to_string(first.pid())), std::string::npos)
      << second.output();
  EXPECT_EQ(mode(), 0660u);  // it touched nothing
  EXPECT_EQ(who(), "old");
  gate_.open();
  EXPECT_EQ(old.wait(), 0);
  EXPECT_EQ(who(), "first");
  EXPECT_EQ(mode(), 0660u);
  end(first);
  EXPECT_FALSE(exists());
}

TEST_F(HalfATakeOver, IsEndedByNobodyButTheSuccessor) {
  Process old = started({.name = "old"});
  Client bystander = or_exit(Client::connect(path_, {.connect_deadline = patience}));
  const auto tell = [&](Client& client) {
    const auto told = client.call("tincan.taken_over", "", {.deadline = patience});
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().outcome(), Outcome::declared) << told.error().explain();
    EXPECT_TRUE(client.send("tincan.taken_over"));
    EXPECT_TRUE(client.call("tincan.ping"));  // the old one has read what was sent before
  };
  tell(bystander);
  Process successor = started({.name = "successor", .gate = &gate_});
  tell(bystander);
  EXPECT_EQ(bystander.reconnects(), 0u);
  EXPECT_EQ(who(), "old");
  gate_.open();
  EXPECT_EQ(old.wait(), 0);
  EXPECT_EQ(who(), "successor");
  end(successor);
}

TEST_F(HalfATakeOver, IsEndedByNoOtherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  Process old = started({.name = "old", .options = {.mode = 0666, .take_over = true}});
  EXPECT_EQ(run_as(stranger,
                   [&] {
                     Client client =
                         or_exit(Client::connect(path_, {.connect_deadline = patience}));
                     int declared = 0;
                     for (const auto* method : {"tincan.take_over", "tincan.taken_over"}) {
                       const auto told = client.call(method, "", {.deadline = patience});
                       declared += !told && told.error().outcome() == Outcome::declared;
                     }
                     return declared;
                   }),
            2);
  EXPECT_EQ(who(), "old");
  end(old);
}

TEST_F(HalfATakeOver, OfASuccessorThatIsStoppedBeforeItRunsIsTakenBack) {
  Process old = started({.name = "old"});
  Process successor =
      started({.name = "successor", .options = {.mode = 0666, .take_over = true}, .gate = &gate_});
  successor.kill(SIGTERM);
  gate_.open();
  EXPECT_EQ(successor.wait(), 0) << successor.output();
  EXPECT_TRUE(eventually([&] { return mode() == 0600u; }));
  EXPECT_EQ(who(), "old");
  end(old);
  EXPECT_FALSE(exists());
}

/// Sends what is no protocol on every connection of this process, and waits until the other side
/// has closed it: then that has taken everything back.
void break_connections() {
  for (int number = 3; number < 100; ++number) {
    if (::send(number, "this is no frame of ours at all", 31, MSG_NOSIGNAL) < 0) continue;
    char bytes[100];
    while (::recv(number, bytes, sizeof bytes, 0) > 0 || errno == EAGAIN) errno = 0;
  }
}

TEST_F(HalfATakeOver, WhoseConnectionBrokeIsNoTakeOver) {  // P9
  Process old = started({.name = "old"});
  Process successor = started({.name = "successor",
                               .options = {.mode = 0666, .take_over = true},
                               .before_run = break_connections});
  EXPECT_EQ(successor.wait(), 2) << successor.output();
  EXPECT_NE(successor.output().find("held by pid " + std::to_string(old.pid())), std::string::npos)
      << successor.output();
  EXPECT_EQ(mode(), 0600u);
  EXPECT_EQ(who(), "old");
  end(old);
  EXPECT_FALSE(exists());
}

#ifdef TINCAN_SEAM

/// How many system calls listen() makes at most when it takes over.
constexpr int take_over_calls_max = 500;

TEST_F(HalfATakeOver, WhoseSuccessorIsKilledAtAnyCallIsTakenBack) {  // P8
  Process old = started({.name = "old"});
  const ino_t inode = status().st_ino;
  int n = 0;
  std::optional<int> ended = -SIGKILL;
  while (ended == -SIGKILL && ++n < take_over_calls_max) {
    Process successor = Process::fork([&] {
      KillAt kills(n);
      const Installed installed(kills);
      return Server::listen(path_, {.mode = 0666, .take_over = true}) ? 0 : 1;
    });
    ended = successor.wait();
    EXPECT_TRUE(eventually([&] { return mode() == 0600u; })) << n;
  }
  EXPECT_EQ(ended, 0);  // there are no more calls
  EXPECT_GT(n, 20);
  EXPECT_EQ(status().st_ino, inode);
  EXPECT_EQ(who(), "old");
  end(old);
  EXPECT_FALSE(exists());
}

TEST_F(HalfATakeOver, InWhichAnyCallFailsLeavesTheOldServer) {  // P16
  Process old = started({.name = "old"});
  int n = 0;
  std::optional<int> reached = 1;
  while (reached == 1 && ++n < take_over_calls_max) {
    Process successor = Process::fork([&] {
      FailAt fails(n, EIO);
      const Installed installed(fails);
      [[maybe_unused]] const auto server = Server::listen(path_, {.mode = 0666, .take_over = true});
      return fails.reached() ? 1 : 0;
    });
    reached = successor.wait();
    EXPECT_TRUE(eventually([&] { return mode() == 0600u; })) << n;
    ASSERT_EQ(who(), "old") << n;
  }
  EXPECT_EQ(reached, 0);
  EXPECT_GT(n, 20);
  end(old);
  EXPECT_FALSE(exists());
}

#endif

}  // namespace

}  // namespace tincan::test
