// Promise 16: every failure of a system call is handled. Here those of a client.

#include "support/failing_calls.h"

#include <fcntl.h>

#include "os/result.h"
#include "support/temporary_directory.h"
#include "system/polling.h"
#include "system/server_process.h"
#include "system/shared_memory.h"
#include "tincan/client.h"

#ifdef TINCAN_SEAM

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

class WithAWitness : public ::testing::Test {
 protected:
  WithAWitness() {
    server_ = start_server(directory_ / "s",
                           [this](Server& served) {
                             served.on("echo", [this](Request request) {
                               if (request.text().starts_with(mark())) ++*runs_;
                               request.reply(request.payload(), request.descriptors());
                             });
                           },
                           {.descriptors_max = 4});
  }

  static ClientOptions options(std::chrono::nanoseconds connect_deadline = patience) {
    return {.connect_deadline = connect_deadline, .reconnect_deadline = 20ms, .descriptors_max = 4};
  }
  /// How the payload of this round's call begins: one of an earlier round may still be run.
  [[nodiscard]] std::string mark() const { return "round " + std::to_string(*round_) + ":"; }
  void begin_round() {
    ++*round_;
    *runs_ = 0;
  }
  /// Whatever happened before: another client is served.
  static void expect_service(const std::string& address, const std::string& method,
                             const std::string& after) {
    auto client = Client::connect(address, options());
    ASSERT_TRUE(client) << after << ": " << client.error().explain();
    const auto reply = client->call(method, "x", {.deadline = patience});
    ASSERT_TRUE(reply) << after << ": " << reply.error().explain();
  }
  /// Of a client that did not come to be.
  static void expect_is_told(const Failure& failure, const Fault& fault) {
    EXPECT_EQ(failure.outcome(), Outcome::not_sent) << fault.what();
    EXPECT_GT(failure.explain().size(), 20u) << fault.what();
    if (os::is_shortage(fault.error())) {
      EXPECT_NE(failure.cause(), Cause::no_server) << fault.what() << ": " << failure.explain();
    }
  }
  /// The server has counted too.
  void expect_is_true(const Result<Reply>& ended, const Fault& fault) const {
    const int runs = *runs_;
    EXPECT_LE(runs, 1) << fault.what();
    if (ended) {
      EXPECT_EQ(runs, 1) << fault.what();
    } else {
      EXPECT_NE(ended.error().outcome(), Outcome::declared) << fault.what();
      EXPECT_TRUE(runs == 0 || ended.error().outcome() == Outcome::unknown)
          << fault.what() << ": " << ended.error().explain();
    }
  }
  void connect_and_call(const std::string& address, const std::string& method, Fault& fault,
                        std::chrono::milliseconds wait = patience_with_failures) {
    {
      const Installed installed(fault);
      auto client = Client::connect(address, options(wait));
      if (!client) {
        expect_is_told(client.error(), fault);
      } else if (const auto reply = client->call(method, "x", {.deadline = wait}); !reply) {
        EXPECT_NE(reply.error().outcome(), Outcome::declared) << fault.what();
      }
    }
    expect_service(address, method, fault.what());
  }

  Shared<std::atomic<int>> round_;
  Shared<std::atomic<int>>
      runs_;  ///< Of this round's call. Written by the server, out of reach of our failures.
  TemporaryDirectory directory_;
  std::optional<Process> server_;
};

using ADescriptor = WithAWitness;
class AFailingCall : public WithAWitness, public ::testing::WithParamInterface<bool> {};

TEST_P(AFailingCall, OfConnectingIsToldAndTheNextAttemptWorks) {
  fail_each_call([&](Fault& fault) { connect_and_call(directory_ / "s", "echo", fault); }, 8,
                 GetParam());
}

TEST_P(AFailingCall, OfConnectingByALongPathIsToldAndTheNextAttemptWorks) {
  std::string path = directory_.path();
  while (path.size() <= limits::sun_path_bytes_max) path += "/.";
  fail_each_call([&](Fault& fault) { connect_and_call(path + "/s", "echo", fault); }, 10,
                 GetParam());
}

TEST_P(AFailingCall, OfStartingAProgramIsToldAndTheNextAttemptWorks) {
  const std::string address = "exec:" + binary("examples/greet_server") + " fd:3";
  // A program under a sanitizer, beside others, takes its time: cut short, it has fewer calls.
  constexpr std::chrono::milliseconds wait(500);
  fail_each_call([&](Fault& fault) { connect_and_call(address, "greet", fault, wait); }, 8,
                 GetParam());
}

TEST_P(AFailingCall, LeavesTheCallWithATrueOutcomeAndTheClientOfUse) {
  const std::string filling(3 * limits::fragment_bytes_max, 'x');
  Client client = or_exit(Client::connect(directory_ / "s", options()));
  const Descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  fail_each_call(
      [&](Fault& fault) {
        begin_round();
        const std::string large = mark() + filling;
        std::vector<Descriptor> sent;
        sent.push_back(or_exit(file.duplicate()));
        {
          const Installed installed(fault);
          auto ended =
              client.call("echo", large, {.deadline = patience_with_failures, .descriptors = sent});
          expect_is_true(ended, fault);
          if (ended) {
            EXPECT_EQ(ended->text(), large) << fault.what();
            EXPECT_EQ(ended->descriptors().size(), 1u) << fault.what();
          }
        }
        ASSERT_TRUE(client.call("echo", "again", {.deadline = patience})) << fault.what();
      },
      3, GetParam());
}

TEST_P(AFailingCall, LeavesASubmittedCallWithATrueOutcome) {
  fail_each_call(
      [&](Fault& fault) {
        begin_round();
        const std::string text = mark();
        Client client = or_exit(Client::connect(directory_ / "s", options()));
        std::optional<Result<Reply>> ended;
        {
          const Installed installed(fault);
          const auto number = client.submit("echo", bytes_of(text),
                                            [&](Result<Reply> reply) { ended = std::move(reply); },
                                            {.deadline = patience_with_failures});
          ASSERT_TRUE(number) << fault.what();
          process_until(client, [&] { return ended.has_value(); });
        }
        ASSERT_TRUE(ended) << fault.what();
        expect_is_true(*ended, fault);
        ASSERT_TRUE(client.call("echo", "again", {.deadline = patience})) << fault.what();
      },
      3, GetParam());
}

/// Fails the next sends that take descriptors along, or not; the kernel has no room for them yet.
class SendsFail : public os::Seam {
 public:
  SendsFail(int times, int error) : left_(times), error_(error) {}
  int before(os::Call call, std::size_t*) override {
    return call == os::Call::send && left_-- > 0 ? error_ : 0;
  }
  [[nodiscard]] bool over() const { return left_ <= 0; }

 private:
  std::atomic<int> left_;
  int error_;
};

TEST_F(ADescriptor, ThatTheKernelHasNoRoomForIsSentLater) {
  Client client = or_exit(Client::connect(directory_ / "s", options()));
  std::vector<Descriptor> sent;
  sent.push_back(Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  SendsFail full(3, ETOOMANYREFS);
  const Installed installed(full);
  const auto reply = client.call("echo", mark(), {.deadline = patience, .descriptors = sent});
  ASSERT_TRUE(reply) << reply.error().explain();
  EXPECT_TRUE(full.over());
  EXPECT_EQ(*runs_, 1);
  EXPECT_EQ(client.reconnects(), 0u);
  // The same for one that is submitted.
  SendsFail again(3, ETOOMANYREFS);
  const Installed replaced(again);
  std::optional<Result<Reply>> ended;
  ASSERT_TRUE(client.submit("echo", bytes_of("x"),
                            [&](Result<Reply> answer) { ended = std::move(answer); },
                            {.deadline = patience, .descriptors = sent}));
  EXPECT_TRUE(process_until(client, [&] { return ended.has_value(); }));
  EXPECT_TRUE(ended && *ended);
  EXPECT_EQ(client.reconnects(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Once, AFailingCall, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(FromNowOn, AFailingCall, ::testing::Values(true));

}  // namespace

}  // namespace tincan::test

#endif
