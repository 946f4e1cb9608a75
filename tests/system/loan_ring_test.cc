// Memory that is handed over on connections that have a ring, get one, or lose one; and while a
// server stops.

#include <gtest/gtest.h>

#include <thread>

#include "support/rounds.h"
#include "system/loans.h"
#include "system/ring_client.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

ClientOptions eager_and_taking() {
  ClientOptions options = eager();
  options.views_max = 8;
  options.shared_views = true;
  return options;
}

ServerOptions with_ring_idle(std::chrono::milliseconds idle) {
  ServerOptions options = trusting();
  options.ring_idle = idle;
  options.ring_grants_per_second = 1'000'000;
  return options;
}

class LoansBesideRings : public ::testing::TestWithParam<std::chrono::milliseconds> {
 protected:
  LoansBesideRings() : server_(with_ring_idle(GetParam())) {
    server_->on("echo", [](Request request) { request.reply(request.payload()); });
    server_->on("lend", [](Request request) {
      const auto kind = request.text() == "shared" ? Handover::shared_view : Handover::immutable;
      request.reply(filled(request.loan(mib, kind), 6));
    });
  }

  /// Handed over to the server and by it, in both ways. Empty: all of it was right.
  std::string exchange(Client& client, int seed) {
    for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
      const auto sum = client.call("sum", filled(client.loan(mib, kind), seed), unhurried);
      if (!sum) return sum.error().explain();
      if (sum->text() != sum_of(mib, seed)) return "another sum";
      const auto lent =
          client.call("lend", kind == Handover::immutable ? "immutable" : "shared", unhurried);
      if (!lent) return lent.error().explain();
      if (sum_of(lent->payload()) != sum_of(mib, 6)) return "another reply";
    }
    return {};
  }

  LoanServer server_;
};

TEST_P(LoansBesideRings, ArriveWhereverTheConnectionGoes) {
  server_.run();
  Client client = server_.connect(eager_and_taking());
  for (int i = 0; i < 50 / thread_sanitizer_slowness; ++i) {
    ASSERT_EQ(exchange(client, i), "") << i;
    ASSERT_EQ(reply_to(client, "small"), "small");
  }
  EXPECT_EQ(client.reconnects(), 0u);
  EXPECT_EQ(server_->counts().breaches, 0u);
}

TEST_P(LoansBesideRings, AreSentBySeveralThreadsAtOnce) {
  server_.run(2);
  Client client = server_.connect(eager_and_taking());
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < 30 / thread_sanitizer_slowness; ++call) {
        EXPECT_EQ(exchange(client, 100 * i + call), "");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(client.reconnects(), 0u);
}

INSTANTIATE_TEST_SUITE_P(ThatLast, LoansBesideRings, ::testing::Values(1h));
INSTANTIATE_TEST_SUITE_P(ThatAreTakenBackAtOnce, LoansBesideRings, ::testing::Values(1ms));

TEST(LoansInARing, AreHandedOverThere) {
  LoanServer server(with_ring_idle(1h));
  server->on("echo", [](Request request) { request.reply(request.payload()); });
  server.run();
  Client client = server.connect(eager_and_taking());
  ASSERT_TRUE(reach_ring(client));
  for (int i = 0; i < 10; ++i) {
    for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
      EXPECT_EQ(or_exit(client.call("sum", filled(client.loan(mib, kind), i), unhurried)).text(),
                sum_of(mib, i));
    }
  }
  EXPECT_GT(client.ring_bytes(), 0u);
}

// The client makes the call again, with the same memory, on a connection that takes it.
TEST(LoansOfADrain, GoToTheSuccessor) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  ASSERT_TRUE(client.send("hold", loan, unhurried));
  ASSERT_TRUE(client.call("size", "", unhurried));
  ServerOptions options = trusting();
  server->stop();
  server.let_go();
  server.end();
  Server next = or_exit(Server::listen(server.path(), options));
  add_loan_methods(next);
  std::thread loop([&] { EXPECT_TRUE(next.run()); });
  ASSERT_TRUE(client.await_release(loan, patience));
  for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
    EXPECT_EQ(or_exit(client.call("sum", filled(client.loan(mib, kind), 3), unhurried)).text(),
              sum_of(mib, 3));
  }
  EXPECT_EQ(or_exit(client.call("sum", loan, unhurried)).text(), sum_of(mib, 1));
  next.stop();
  loop.join();
}

TEST(LoansOfARestart, AreHandedOverByCallsThatAreMadeAgain) {
  const TemporaryDirectory directory;
  Server first = or_exit(Server::listen(directory / "s", trusting()));
  std::thread loop([&] { EXPECT_TRUE(first.run()); });
  Client client = or_exit(Client::connect(directory / "s", {.connect_deadline = patience}));
  ASSERT_TRUE(client.call("tincan.ping"));
  const Loan loan = filled(client.loan(2 * mib), 1);
  first.stop();
  loop.join();
  std::thread calling([&] {
    EXPECT_EQ(or_exit(client.call("sum", loan, {.deadline = patience})).text(), sum_of(2 * mib, 1));
  });
  ServerOptions successor = trusting();
  Server next = or_exit(Server::listen(directory / "s", successor));
  add_loan_methods(next);
  std::thread next_loop([&] { EXPECT_TRUE(next.run()); });
  calling.join();
  next.stop();
  next_loop.join();
}

}  // namespace
}  // namespace tincan::test
