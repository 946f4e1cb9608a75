// How an idempotent call ends that was sent, lost, and could not be sent again (promise 1): the
// first server may have run it.

#include "system/polling.h"
#include "system/raw_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

/// A client whose server has read a call, and then dies.
struct Retried {
  RawServer server;
  std::optional<Client> client;
  std::optional<RawPeer> peer;
  std::future<Result<Reply>> called;
  std::optional<Result<Reply>> submitted;
  std::uint64_t number = 0;

  explicit Retried(const ClientOptions& options = {}) {
    auto [made, first] = server.connect(options);
    client.emplace(std::move(made));
    peer.emplace(std::move(first));
  }
  void call(std::chrono::nanoseconds deadline) {
    called = std::async(std::launch::async, [this, deadline] {
      return client->call("once more", "", {.deadline = deadline, .idempotent = true});
    });
    EXPECT_EQ(next_call(*peer).method, "once more");
  }
  void submit(std::chrono::nanoseconds deadline) {
    const auto begun = client->submit("once more", {},
                                      [this](Result<Reply> reply) { submitted = std::move(reply); },
                                      {.deadline = deadline, .idempotent = true});
    number = or_exit(begun);
    EXPECT_EQ(next_call(*peer).method, "once more");
  }
  /// The server dies, and a successor has read the call.
  std::pair<RawPeer, RawCall> succeed() {
    peer->close();
    RawPeer successor = server.greet();
    RawCall again = next_call(successor);
    return {std::move(successor), std::move(again)};
  }
  Failure end_of_call() {
    const auto reply = called.get();
    return reply ? Failure(Cause::answered) : reply.error();
  }
  Failure end_of_submitted() {
    EXPECT_TRUE(process_until(*client, [&] { return submitted.has_value(); }));
    return *submitted ? Failure(Cause::answered) : submitted->error();
  }
};

void expect_unknown(const Failure& failure, Cause cause) {
  EXPECT_EQ(failure.outcome(), Outcome::unknown) << failure.explain();
  EXPECT_EQ(failure.cause(), cause) << failure.explain();
}

TEST(OutcomeOfACallMadeAgain, IsUnknownWhenNoServerComesBack) {  // P1
  Retried blocking({.reconnect_deadline = 20ms});
  blocking.call(1h);
  blocking.server.leave();
  blocking.peer->close();
  expect_unknown(blocking.end_of_call(), Cause::no_server);

  Retried polled({.reconnect_deadline = 20ms});
  polled.submit(1h);
  polled.server.leave();
  polled.peer->close();
  expect_unknown(polled.end_of_submitted(), Cause::no_server);
}

TEST(OutcomeOfACallMadeAgain, IsUnknownWhenItsTimeRunsOutMeanwhile) {  // P1
  Retried blocking({.reconnect_deadline = 1h});
  blocking.call(300ms);
  blocking.peer->close();  // the next one never greets
  expect_unknown(blocking.end_of_call(), Cause::deadline);

  Retried polled({.reconnect_deadline = 1h});
  polled.submit(300ms);
  polled.peer->close();
  expect_unknown(polled.end_of_submitted(), Cause::deadline);
}

TEST(OutcomeOfACallMadeAgain, IsUnknownWhenTheSuccessorRefusesIt) {  // P1
  Retried blocking;
  blocking.call(1h);
  auto [successor, again] = blocking.succeed();
  RawPeer::Bytes refusal;
  wire::encode_error(again.id, {.reason = wire::Reason::no_method, .text = "none"}, refusal);
  successor.send(refusal);
  expect_unknown(blocking.end_of_call(), Cause::no_method);
}

TEST(OutcomeOfACallMadeAgain, IsUnknownWhenItIsCancelledMeanwhile) {  // P1
  Retried polled({.reconnect_deadline = 1h});
  polled.submit(1h);
  polled.server.leave();
  polled.peer->close();
  // It has left its dead link once process() looks for another.
  ASSERT_TRUE(process_until(*polled.client, [&] {
    return polled.client->deadline().has_value() &&
           *polled.client->deadline() < std::chrono::steady_clock::now() + 1min;
  }));
  polled.client->cancel(polled.number);
  expect_unknown(polled.end_of_submitted(), Cause::cancelled);
}

TEST(OutcomeOfACallMadeAgain, IsTheSuccessorsAnswer) {  // P1
  Retried blocking;
  blocking.call(1h);
  auto [successor, again] = blocking.succeed();
  answer(successor, again.id, "answer");
  EXPECT_EQ(or_exit(blocking.called.get()).text(), "answer");
}

}  // namespace

}  // namespace tincan::test
