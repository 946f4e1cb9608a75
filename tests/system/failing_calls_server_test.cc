// Promise 16: every failure of a system call is handled. Here those of a server.

#include <fcntl.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "support/failing_calls.h"
#include "support/temporary_directory.h"
#include "tincan/client.h"
#include "tincan/server.h"

#ifdef TINCAN_SEAM

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

/// A server on a thread of its own, the only one whose calls fail.
class ServerThatFails {
 public:
  ServerThatFails(const std::string& path, const std::string& name, bool fails,
                  const ServerOptions& options)
      : thread_([=, this] { serve(path, name, fails, options); }) {}
  ServerThatFails(const ServerThatFails&) = delete;
  ~ServerThatFails() { end(); }

  /// Once it listens, or has failed to: what it was told then.
  const std::optional<Failure>& told() {
    if (!told_) told_ = begun_.get_future().get();
    return *told_;
  }
  void stop() {
    if (!told() && server_) server_->stop();
  }
  void end() {
    stop();
    if (thread_.joinable()) thread_.join();
    server_.reset();
  }

 private:
  void serve(const std::string& path, const std::string& name, bool fails,
             const ServerOptions& options) {
    calls_never_fail = !fails;
    auto made = Server::listen(path, options);
    if (!made) return begun_.set_value(made.error());
    server_ = std::move(*made);
    server_->on("who", [=](Request request) { request.reply(name); });
    server_->on("echo",
                [](Request request) { request.reply(request.payload(), request.descriptors()); });
    begun_.set_value(std::nullopt);
    [[maybe_unused]] const auto ran = server_->run();
  }

  std::promise<std::optional<Failure>> begun_;
  std::optional<std::optional<Failure>> told_;
  std::optional<Server> server_;
  std::thread thread_;
};

class WithAServerThatFails : public ::testing::Test {
 protected:
  WithAServerThatFails() { calls_never_fail = true; }
  ~WithAServerThatFails() override { calls_never_fail = false; }

  static ServerOptions options() {
    return {.mode = 0660,
            .group = std::to_string(::getegid()),
            .take_over = true,
            .descriptors_max = 4,
            .handshake_deadline = 500ms,  // nothing else ends one whose HELLO cannot be sent
            .accept_rest = 1ms};
  }
  [[nodiscard]] Result<Client> connect(std::chrono::nanoseconds deadline) const {
    return Client::connect(
        path_, {.connect_deadline = deadline, .reconnect_deadline = 20ms, .descriptors_max = 4});
  }
  /// A call that may fail; it ends in time, and an answer is the right one.
  void call_once() const {
    auto client = connect(patience_with_failures);
    if (!client) return;
    const std::string large(2 * limits::fragment_bytes_max, 'x');
    std::vector<Descriptor> sent;
    sent.push_back(or_exit(file_.duplicate()));
    auto ended =
        client->call("echo", large, {.deadline = patience_with_failures, .descriptors = sent});
    if (!ended) return;
    EXPECT_EQ(ended->text(), large);
    EXPECT_EQ(ended->descriptors().size(), 1u);
  }
  /// Who answers; why nobody does.
  [[nodiscard]] std::string who(std::chrono::nanoseconds deadline = patience) const {
    auto client = connect(deadline);
    if (!client) return client.error().explain();
    const auto reply = client->call("who", "", {.deadline = deadline});
    return reply ? std::string(reply->text()) : reply.error().explain();
  }
  /// The same; the first attempt may be what the failure costs.
  [[nodiscard]] std::string who_after(Fault& fault) const {
    std::string name = who(patience_with_failures);
    if (fault.error() == 0 && (name == "old" || name == "successor" || name == "first")) {
      return name;
    }
    if (fault.error() != 0) fault.lift();
    return who();
  }
  /// Nothing has to be removed for the next server.
  void expect_next_start(const Fault& fault) const {
    ServerThatFails next(path_, "next", false, options());
    ASSERT_FALSE(next.told()) << fault.what() << ": " << next.told()->explain();
    EXPECT_EQ(who(), "next") << fault.what();
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "s";
  const Descriptor file_{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
};

using AnAnswer = WithAServerThatFails;
class AFailingCallOfAServer : public WithAServerThatFails,
                              public ::testing::WithParamInterface<bool> {};

TEST_P(AFailingCallOfAServer, CostsNoMoreThanTheRequestConcerned) {
  fail_each_call(
      [&](Fault& fault) {
        const Installed installed(fault);
        {
          ServerThatFails server(path_, "first", true, options());
          if (server.told()) {
            EXPECT_GT(server.told()->explain().size(), 20u) << fault.what();
          } else {
            call_once();
            EXPECT_EQ(who_after(fault), "first") << fault.what();
          }
        }
        expect_next_start(fault);
      },
      30, GetParam());
}

TEST_P(AFailingCallOfAServer, ThatTakesOverLeavesTheOldServerOrTheNewOne) {
  fail_each_call(
      [&](Fault& fault) {
        const Installed installed(fault);
        ServerThatFails old(path_, "old", false, options());
        ASSERT_FALSE(old.told()) << old.told()->explain();
        {
          ServerThatFails successor(path_, "successor", true, options());
          if (successor.told()) {
            EXPECT_EQ(who_after(fault), "old")
                << fault.what() << ": " << successor.told()->explain();
          } else {
            const std::string name = who_after(fault);
            EXPECT_TRUE(name == "old" || name == "successor") << fault.what() << ": " << name;
          }
        }
        old.end();
        expect_next_start(fault);
      },
      30, GetParam());
}

TEST_P(AFailingCallOfAServer, ThatIsTakenOverLeavesItOrTheNewOne) {
  fail_each_call(
      [&](Fault& fault) {
        fault.spare(os::Call::send);  // the asking successor would wait for its answer in vain
        const Installed installed(fault);
        ServerThatFails old(path_, "old", true, options());
        if (old.told()) return;  // looked at above
        {
          ServerThatFails successor(path_, "successor", false, options());
          [[maybe_unused]] const auto& told = successor.told();
          const std::string name = who_after(fault);
          EXPECT_TRUE(name == "old" || name == "successor") << fault.what() << ": " << name;
        }
        old.end();
        expect_next_start(fault);
      },
      30, GetParam());
}

/// What the old server does when its successor goes before it serves.
TEST_P(AFailingCallOfAServer, ThatTakesBackLeavesItServing) {
  ServerOptions wide = options();
  wide.mode = 0666;
  fail_each_call(
      [&](Fault& fault) {
        fault.spare(os::Call::send);  // the asking successor would wait for its answer in vain
        const Installed installed(fault);
        ServerThatFails old(path_, "old", true, options());
        if (old.told()) return;
        {
          [[maybe_unused]] const auto never_begun = Server::listen(path_, wide);
        }
        EXPECT_EQ(who_after(fault), "old") << fault.what();
        old.end();
        expect_next_start(fault);
      },
      30, GetParam());
}

/// Fails the server's next sends.
class AnswersFail : public os::Seam {
 public:
  explicit AnswersFail(int times) : left_(times) {}
  int before(os::Call call, std::size_t*) override {
    return !calls_never_fail && call == os::Call::send && left_-- > 0 ? ETOOMANYREFS : 0;
  }
  [[nodiscard]] bool over() const { return left_ <= 0; }

 private:
  std::atomic<int> left_;
};

TEST_F(AnAnswer, ThatTheKernelHasNoRoomForIsWrittenLater) {
  ServerThatFails server(path_, "first", true, options());
  ASSERT_FALSE(server.told());
  auto client = connect(patience);
  ASSERT_TRUE(client);
  std::vector<Descriptor> sent;
  sent.push_back(or_exit(file_.duplicate()));
  static AnswersFail full(3);  // the server's thread may still be passing through it at the end
  const Installed installed(full);
  auto reply = client->call("echo", "x", {.deadline = patience, .descriptors = sent});
  ASSERT_TRUE(reply) << reply.error().explain();
  EXPECT_EQ(reply->descriptors().size(), 1u);
  EXPECT_TRUE(full.over());
  EXPECT_EQ(client->reconnects(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Once, AFailingCallOfAServer, ::testing::Values(false));
#ifndef __SANITIZE_THREAD__  // the same threads, of which one waits longer: 30 s in all
INSTANTIATE_TEST_SUITE_P(FromNowOn, AFailingCallOfAServer, ::testing::Values(true));
#endif

}  // namespace

}  // namespace tincan::test

#endif
