// Replies that are handed over instead of copied.

#include <gtest/gtest.h>

#include "support/user.h"
#include "system/loans.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

/// Of a client that takes what it is handed.
ClientOptions taking() {
  ClientOptions options;
  options.views_max = 8;
  options.shared_views = true;
  return options;
}

/// A server that answers with as many bytes as it is asked for, in all ways.
class LoanReplies : public ::testing::Test {
 protected:
  explicit LoanReplies(const ServerOptions& options = {}) : server_(options) {
    const auto answer = [](Request request, Handover kind) {
      const auto bytes = std::strtoull(std::string(request.text()).c_str(), nullptr, 10);
      auto loan = request.loan(bytes, kind);
      if (!loan) {
        request.fail(loan.error().explain());
        return;
      }
      fill(loan->bytes(), 5);
      request.reply(std::move(*loan));
    };
    server_->on("immutable",
                [=](Request request) { answer(std::move(request), Handover::immutable); });
    server_->on("shared",
                [=](Request request) { answer(std::move(request), Handover::shared_view); });
    server_->on("from_a_thread", [=](Request request) {
      std::thread([request = std::move(request), answer]() mutable {
        answer(std::move(request), Handover::immutable);
      }).detach();
    });
    server_->on("echo", [](Request request) { request.reply(request.payload()); });
  }

  Result<Reply> ask(Client& client, const char* method, std::uint64_t bytes) {
    return client.call(method, std::to_string(bytes), unhurried);
  }
  /// What is wrong with the answer; empty: nothing.
  std::string wrong(Client& client, const char* method, std::uint64_t bytes) {
    const auto reply = ask(client, method, bytes);
    if (!reply) return reply.error().explain();
    return sum_of(reply->payload()) == sum_of(bytes, 5) ? "" : "other bytes";
  }

  RunningServer server_;
};

TEST_F(LoanReplies, ArriveAsAnyReply) {
  server_.run();
  Client client = server_.connect(taking());
  for (const char* method : {"immutable", "shared", "from_a_thread"}) {
    for (const std::uint64_t bytes : {std::uint64_t{1}, mib + 1, 9 * mib}) {
      EXPECT_EQ(wrong(client, method, bytes), "") << method << " " << bytes;
    }
  }
  EXPECT_EQ(client.reconnects(), 0u);
}

TEST_F(LoanReplies, AreCopiedForWhoTakesNone) {
  server_.run();
  Client client = server_.connect();
  for (const char* method : {"immutable", "from_a_thread"}) {
    EXPECT_EQ(wrong(client, method, 3 * mib), "") << method;
  }
  const auto shared = ask(client, "shared", mib);
  ASSERT_FALSE(shared);
  EXPECT_NE(shared.error().detail().find("ClientOptions::views_max"), std::string::npos);
  const auto huge = ask(client, "immutable", limits::payload_bytes_max + 1);
  ASSERT_FALSE(huge);
  EXPECT_NE(huge.error().detail().find("the caller takes"), std::string::npos);
}

TEST_F(LoanReplies, AreLargerThanAnyPayload) {
  server_.run();
  Client client = server_.connect(taking());
  const auto reply = ask(client, "immutable", limits::payload_bytes_max + mib);
  ASSERT_TRUE(reply) << reply.error().explain();
  EXPECT_EQ(reply->payload().size(), limits::payload_bytes_max + mib);
}

TEST_F(LoanReplies, AreHeldByTheClientAndReleasedWhenItLikes) {
  server_.run();
  Client client = server_.connect(taking());
  std::vector<Reply> held;
  for (int i = 0; i < 8; ++i) held.push_back(or_exit(ask(client, "shared", mib)));
  const auto ninth = ask(client, "shared", mib);
  ASSERT_FALSE(ninth);
  EXPECT_NE(ninth.error().detail().find("as many as it takes"), std::string::npos);
  EXPECT_EQ(sum_of(held[3].payload()), sum_of(mib, 5));
  held.erase(held.begin() + 3);
  EXPECT_EQ(wrong(client, "shared", mib), "");
  EXPECT_EQ(wrong(client, "immutable", 10'000), "");
}

TEST_F(LoanReplies, OutliveTheirClient) {
  server_.run();
  std::vector<Reply> held;
  {
    Client client = server_.connect(taking());
    held.push_back(or_exit(ask(client, "shared", mib)));
    held.push_back(or_exit(ask(client, "immutable", mib)));
  }
  EXPECT_EQ(sum_of(held[0].payload()), sum_of(mib, 5));
  EXPECT_EQ(sum_of(held[1].payload()), sum_of(mib, 5));
}

TEST_F(LoanReplies, OfSharedViewsUseTheSameMemoryAgain) {
  server_.run();
  Client client = server_.connect(taking());
  const std::byte* first = nullptr;
  for (int i = 0; i < 20; ++i) {
    const Reply reply = or_exit(ask(client, "shared", mib));
    if (i == 0) first = reply.payload().data();
    EXPECT_EQ(reply.payload().data(), first);
  }
}

TEST_F(LoanReplies, ComeToSubmittedCallsToo) {
  server_.run();
  Client client = server_.connect(taking());
  int came = 0;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(client.submit(
        i % 2 == 0 ? "shared" : "immutable", bytes_of("100000"),
        [&](Result<Reply> reply) {
          EXPECT_EQ(sum_of(or_exit(std::move(reply)).payload()), sum_of(100'000, 5));
          ++came;
        },
        unhurried));
  }
  EXPECT_TRUE(eventually([&] { return client.process(), came == 4; }));
}

TEST_F(LoanReplies, OfOneLoanOfTheServersGoToWhomever) {
  std::optional<Loan> loans[2];
  server_->on("same",
              [&](Request request) { request.reply(*loans[request.text() == "shared" ? 1 : 0]); });
  loans[0] = filled(server_->loan(2 * mib), 9);
  loans[1] = filled(server_->loan(2 * mib, Handover::shared_view), 9);
  server_.run();
  Client takes = server_.connect(taking());
  Client copies = server_.connect();
  for (int i = 0; i < 3; ++i) {
    for (Client* const client : {&takes, &copies}) {
      for (const char* kind : {"shared", "immutable"}) {
        const Reply reply = or_exit(client->call("same", kind, unhurried));
        EXPECT_EQ(sum_of(reply.payload()), sum_of(2 * mib, 9)) << kind;
      }
    }
  }
  EXPECT_TRUE(eventually([&] { return loans[1]->is_released(); }));
}

// Sealed beside the loop, which serves others meanwhile; also when nobody is there any more.
TEST_F(LoanReplies, ThatAreLargeAndImmutableAreSealedBesideTheLoop) {
  server_.run();
  Client client = server_.connect(taking());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(wrong(client, "immutable", 16 * mib), "");
  {
    Client gone = server_.connect(taking());
    ASSERT_TRUE(
        gone.submit("immutable", bytes_of("16000000"), [](const Result<Reply>&) {}, unhurried));
    gone.process();
  }
  EXPECT_EQ(wrong(client, "immutable", 16 * mib), "");
}

/// A server that answers two callers, one after the other, with the same new memory.
class SharedAnswers : public LoanReplies {
 protected:
  SharedAnswers() {
    server_->on("both", [&](Request request) {
      waiting_[request.text() == "second" ? 1 : 0] = std::move(request);
      if (!waiting_[0] || !waiting_[1]) return;
      const Loan loan = filled(server_->loan(large), 3);
      for (auto& waiting : waiting_) waiting->reply(loan);
      for (auto& waiting : waiting_) waiting.reset();
    });
    server_.run();
  }

  void expect_answers(const ClientOptions& of_first, const ClientOptions& of_second) {
    Client clients[2] = {server_.connect(of_first), server_.connect(of_second)};
    int came = 0;
    for (int i = 0; i < 2; ++i) {
      const auto submitted = clients[i].submit(
          "both", bytes_of(i == 0 ? "first" : "second"),
          [&](Result<Reply> reply) {
            const Reply answer = or_exit(std::move(reply));
            EXPECT_EQ(sum_of(answer.payload()), expected_);
            ++came;
          },
          unhurried);
      ASSERT_TRUE(submitted);
    }
    const auto both_came = [&] {
      for (Client& client : clients) client.process();
      return came == 2;
    };
    EXPECT_TRUE(eventually(both_came));
  }

  /// It takes longer to seal than the second caller takes to be answered.
  static constexpr std::uint64_t large = 60 * mib;
  const std::string expected_ = sum_of(large, 3);
  std::optional<Request> waiting_[2];
};

TEST_F(SharedAnswers, AreCopiedForOneWhileTheyAreSealedForTheOther) {
  expect_answers(taking(), {});
}
TEST_F(SharedAnswers, AreHandedToBothWhileTheyAreSealedForTheFirst) {
  expect_answers(taking(), taking());
}
TEST_F(SharedAnswers, AreSealedForTheSecondAfterTheyWereCopiedForTheFirst) {
  expect_answers({}, taking());
}

TEST_F(LoanReplies, OfARequestThatWasAnsweredAreNone) {
  std::atomic<int> failures = 0;
  server_->on("twice", [&](Request request) {
    Loan loan = or_exit(request.loan(mib));
    request.reply("first");
    const auto second = request.reply(std::move(loan));
    failures += !second && second.error().cause() == Cause::answered;
  });
  server_.run();
  Client client = server_.connect(taking());
  EXPECT_EQ(or_exit(client.call("twice", "", unhurried)).text(), "first");
  EXPECT_EQ(failures, 1);
}

class FewLoanReplies : public LoanReplies {
 protected:
  FewLoanReplies() : LoanReplies({.loan_bytes_max = 8 * mib, .loan_bytes_per_uid_max = 4 * mib}) {}
};

TEST_F(FewLoanReplies, AreNoMoreThanTheServerLendsToOne) {
  server_.run();
  Client client = server_.connect(taking());
  {
    std::vector<Reply> held;
    for (int i = 0; i < 4; ++i) held.push_back(or_exit(ask(client, "immutable", mib)));
    Client other = server_.connect(taking());
    const auto more = ask(other, "immutable", mib);
    ASSERT_FALSE(more);
    EXPECT_NE(more.error().detail().find("loan_bytes_per_uid_max"), std::string::npos);
  }
  // What was released can be had again, and so can what is only kept for later.
  EXPECT_TRUE(eventually([&] { return wrong(client, "immutable", 4 * mib).empty(); }));
  EXPECT_TRUE(eventually([&] { return wrong(client, "shared", 2 * mib).empty(); }));
  EXPECT_TRUE(eventually([&] { return wrong(client, "shared", 4 * mib).empty(); }));
}

// Each is a descriptor, however small it is.
TEST_F(FewLoanReplies, CountAsAMebibyteAtLeast) {
  server_.run();
  Client client = server_.connect(taking());
  std::vector<Reply> held;
  for (const char* method : {"immutable", "shared", "immutable", "shared"}) {
    held.push_back(or_exit(ask(client, method, 100'000)));
  }
  for (const char* method : {"immutable", "shared"}) {
    const auto fifth = ask(client, method, 100'000);
    ASSERT_FALSE(fifth) << method;
    EXPECT_NE(fifth.error().detail().find("loan_bytes_per_uid_max"), std::string::npos);
  }
  held.clear();  // the shared views are kept for later, and stay counted
  EXPECT_TRUE(eventually([&] { return wrong(client, "immutable", 2 * mib).empty(); }));
}

TEST_F(FewLoanReplies, AreNotKeptByAClientThatHasGone) {
  server_.run();
  for (int i = 0; i < 10; ++i) {
    Client client = server_.connect(taking());
    EXPECT_TRUE(eventually([&] { return wrong(client, "immutable", 4 * mib).empty(); })) << i;
  }
}

TEST_F(LoanReplies, AreCopiedForOtherUsersUnlessTheServerLendsToThem) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  const TemporaryDirectory directory(0755);
  for (const bool lends : {false, true}) {
    ServerOptions options{.mode = 0666};
    if (lends) options.lend_to = AllowList{.uids = {stranger}};
    Server server = or_exit(Server::listen(directory / "s", options));
    server.on("shared", [](Request request) {
      auto loan = request.loan(100'000, Handover::shared_view);
      request.reply(loan ? "lent" : loan.error().detail());
    });
    server.on("immutable", [](Request request) {
      Loan loan = or_exit(request.loan(100'000));
      fill(loan.bytes(), 5);
      request.reply(std::move(loan));
    });
    // The fork comes before the thread.
    auto child = Process::fork([&] {
      if (!become(stranger)) return 1;
      auto client = Client::connect(directory / "s", [] {
        ClientOptions taker = taking();
        taker.server_uid = 0;
        taker.connect_deadline = patience;
        return taker;
      }());
      if (!client) return 2;
      if ((or_exit(client->call("shared", "", unhurried)).text() == "lent") != lends) return 3;
      const Reply reply = or_exit(client->call("immutable", "", unhurried));
      return sum_of(reply.payload()) == sum_of(100'000, 5) ? 0 : 4;
    });
    std::thread loop([&] { EXPECT_TRUE(server.run()); });
    EXPECT_EQ(child.wait(), 0) << child.output();
    server.stop();
    loop.join();
  }
}

}  // namespace
}  // namespace tincan::test
