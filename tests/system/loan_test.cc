// Large payloads that are handed over instead of copied: requests, replies, and what is used again.

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "system/loans.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

TEST(Loan, IsHandedOverAndArrivesAsAnyPayload) {
  for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
    LoanServer server;
    server.run();
    Client client = server.connect();
    for (const std::uint64_t bytes : {std::uint64_t{1}, 100 * 1024 + 3ul, 5 * mib}) {
      Loan loan = filled(client.loan(bytes, kind), 7);
      ASSERT_EQ(loan.size(), bytes);
      const auto reply = client.call("sum", std::move(loan), unhurried);
      ASSERT_TRUE(reply) << reply.error().explain();
      EXPECT_EQ(reply->text(), sum_of(bytes, 7));
    }
    EXPECT_EQ(client.reconnects(), 0u);
    EXPECT_EQ(server->counts().breaches, 0u);
  }
}

TEST(Loan, IsLargerThanAnyPayload) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const std::uint64_t bytes = limits::payload_bytes_max + mib;
  const auto reply = client.call("size", filled(client.loan(bytes), 1), unhurried);
  ASSERT_TRUE(reply) << reply.error().explain();
  EXPECT_EQ(reply->text(), std::to_string(bytes));
}

TEST(Loan, IsCopiedWhenItIsSmallAndImmutable) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const std::uint64_t bytes = limits::loan_bytes_min - 1;
  const auto reply = client.call("sum", filled(client.loan(bytes), 3), unhurried);
  ASSERT_TRUE(reply) << reply.error().explain();
  EXPECT_EQ(reply->text(), sum_of(bytes, 3));
  EXPECT_EQ(or_exit(client.call("sum", or_exit(client.loan(0)), unhurried)).text(), "0");
}

TEST(Loan, IsCopiedWhereTheServerTakesNone) {
  ServerOptions options = trusting();
  options.views_max = 0;
  LoanServer server(options);
  server.run();
  Client client = server.connect();
  const auto reply = client.call("sum", filled(client.loan(3 * mib), 3), unhurried);
  ASSERT_TRUE(reply) << reply.error().explain();
  EXPECT_EQ(reply->text(), sum_of(3 * mib, 3));
  EXPECT_EQ(client.loan(limits::payload_bytes_max + 1).error().cause(), Cause::too_large);
  EXPECT_EQ(client.loan(mib, Handover::shared_view).error().cause(), Cause::unsupported);
}

TEST(Loan, IsASharedViewOnlyWhereTheServerTrustsUs) {
  LoanServer server(ServerOptions{});
  server.run();
  Client client = server.connect();
  const auto loan = client.loan(mib, Handover::shared_view);
  ASSERT_FALSE(loan);
  EXPECT_EQ(loan.error().cause(), Cause::unsupported);
  EXPECT_NE(loan.error().detail().find("shared_views_from"), std::string::npos);
  EXPECT_TRUE(client.call("sum", filled(client.loan(mib), 1), unhurried));
}

TEST(Loan, SendsOnlyWhatItWasShrunkTo) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  Loan loan = filled(client.loan(mib), 2);
  loan.shrink_to(1000);
  loan.shrink_to(2000);
  EXPECT_EQ(or_exit(client.call("sum", std::move(loan), unhurried)).text(), sum_of(1000, 2));
}

TEST(Loan, GoesOneWayAndBySubmit) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  ASSERT_TRUE(client.send("count", filled(client.loan(mib), 1), unhurried));
  std::string answer;
  ASSERT_TRUE(client.submit(
      "sum", filled(client.loan(2 * mib), 5),
      [&](Result<Reply> reply) { answer = or_exit(std::move(reply)).text(); }, unhurried));
  ASSERT_TRUE(eventually([&] { return client.process(), !answer.empty(); }));
  EXPECT_EQ(answer, sum_of(2 * mib, 5));
  EXPECT_EQ(server.counted(), mib);
}

// What it says is not in the frame, where a method of many messages looks first.
TEST(Loan, IsAMessageOfABatchAndReleasedAfterIt) {
  LoanServer server;
  std::atomic<std::uint64_t> sum = 0;
  server->on_batch("log", [&](const Batch& batch) {
    for (const auto message : batch) sum += std::stoull(sum_of(message));
  });
  server.run();
  Client client = server.connect();
  for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
    const Loan loan = filled(client.loan(mib, kind), 4);
    sum = 0;
    ASSERT_TRUE(client.send("log", loan, unhurried));
    ASSERT_TRUE(client.await_release(loan, patience));
    EXPECT_EQ(std::to_string(sum), sum_of(mib, 4));
  }
}

TEST(Loan, CarriesDescriptorsBesides) {
  ServerOptions options = trusting();
  options.descriptors_max = 2;
  LoanServer server(options);
  server.run();
  Client client = server.connect();
  std::vector<Descriptor> descriptors;
  descriptors.emplace_back(::dup(0));
  CallOptions call = unhurried;
  call.descriptors = descriptors;
  for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
    const auto reply = client.call("descriptors", filled(client.loan(mib, kind), 1), call);
    ASSERT_TRUE(reply) << reply.error().explain();
    EXPECT_EQ(reply->text(), "1");
  }
}

// Moved into a message it is gone; only what is lent can be lent again.
TEST(Loan, ThatWasGivenAwayIsNoPayload) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  Loan loan = filled(client.loan(mib), 1);
  ASSERT_TRUE(client.call("size", std::move(loan), unhurried));
  EXPECT_TRUE(loan.bytes().empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(client.call("size", std::move(loan), unhurried).error().cause(), Cause::usage);
}

TEST(Loan, ThatIsImmutableCanBeSentAgainAndNotWritten) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const Loan loan = filled(client.loan(mib), 4);
  EXPECT_EQ(or_exit(client.call("sum", loan, unhurried)).text(), sum_of(mib, 4));
  EXPECT_TRUE(loan.bytes().empty());
  EXPECT_EQ(or_exit(client.call("sum", loan, unhurried)).text(), sum_of(mib, 4));
}

/// Descriptors and mappings of memory that was handed over, of both sides.
std::ptrdiff_t memories_here() {
  namespace fs = std::filesystem;
  std::ifstream maps("/proc/self/maps");
  std::ptrdiff_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.contains("memfd:tincan");
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    count += fs::read_symlink(entry, gone).string().contains("memfd:tincan");
  }
  return count;
}

// A client reads only when it is called: a gigabyte may not wait for that.
TEST(Loan, ThatIsImmutableIsFreedWhenItsServerIsDoneThoughItsClientSleeps) {
  RunningServer server;
  std::optional<Request> held;
  std::atomic<bool> holds = false;
  server->on("answer_and_hold", [&](Request request) {
    request.reply();
    held = std::move(request);
    holds = true;
  });
  server.run();
  Client client = server.connect({.transport = Transport::socket});
  ASSERT_TRUE(client.call("answer_and_hold", filled(client.loan(2 * mib), 1), unhurried));
  ASSERT_TRUE(eventually([&] { return holds.load(); }));
  EXPECT_GT(memories_here(), 0);
  held.reset();
  EXPECT_TRUE(eventually([] { return memories_here() == 0; }));
}

TEST(SharedView, IsGivenOutAgainOnceItIsReleased) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const std::byte* first = nullptr;
  for (int i = 0; i < 20; ++i) {
    Loan loan = filled(client.loan(mib, Handover::shared_view), i);
    if (i == 0) first = loan.bytes().data();
    EXPECT_EQ(loan.bytes().data(), first);
    ASSERT_EQ(or_exit(client.call("sum", std::move(loan), unhurried)).text(), sum_of(mib, i));
  }
  EXPECT_EQ(server->counts().breaches, 0u);
}

TEST(SharedView, ThatIsHeldIsNotGivenOutAgain) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  const std::byte* const held = loan.bytes().data();
  ASSERT_TRUE(client.send("hold", std::move(loan), unhurried));
  ASSERT_TRUE(client.call("size", "", unhurried));  // it is held by now
  Loan other = filled(client.loan(mib, Handover::shared_view), 2);
  EXPECT_NE(other.bytes().data(), held);
  EXPECT_EQ(server.let_go(), sum_of(mib, 1));
}

TEST(SharedView, ThatStaysOursIsSentAgainAndAgain) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  EXPECT_TRUE(loan.is_released());
  for (int i = 0; i < 20; ++i) {
    fill(loan.bytes(), i);
    ASSERT_EQ(or_exit(client.call("sum", loan, unhurried)).text(), sum_of(mib, i));
    ASSERT_TRUE(client.await_release(loan, patience));
  }
}

TEST(SharedView, IsWaitedForUntilItIsReleased) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  ASSERT_TRUE(client.send("hold", loan, unhurried));
  ASSERT_TRUE(client.call("size", "", unhurried));
  EXPECT_FALSE(loan.is_released());
  EXPECT_EQ(client.await_release(loan, 1ms).error().cause(), Cause::deadline);
  std::thread calling([&] {  // others may read meanwhile
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(client.call("size", "", unhurried));
  });
  std::thread letting([&] { server.let_go(); });
  EXPECT_TRUE(client.await_release(loan, patience));
  EXPECT_TRUE(loan.is_released());
  calling.join();
  letting.join();
}

TEST(SharedView, ThatTheHandlerReleasesEarlyIsReleasedBeforeTheAnswer) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  ASSERT_TRUE(client.send("release_and_hold", loan, unhurried));
  EXPECT_TRUE(client.await_release(loan, patience));
  EXPECT_EQ(server.let_go(), "0");
}

TEST(SharedView, IsReleasedWhenItsCallIsTurnedAway) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  EXPECT_EQ(client.call("nothing", loan, unhurried).error().cause(), Cause::no_method);
  EXPECT_TRUE(client.await_release(loan, patience));
}

TEST(SharedView, IsReleasedWhenItsServerDies) {
  LoanServer server;
  server.run();
  Client client = server.connect({.reconnect_deadline = 0ns});
  const Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  ASSERT_TRUE(client.send("hold", loan, unhurried));
  ASSERT_TRUE(client.call("size", "", unhurried));
  server.let_go();
  server.end();
  EXPECT_FALSE(client.call("size", "", unhurried));
  EXPECT_TRUE(loan.is_released());
}

TEST(SharedView, OutlivesItsConnectionAndIsHandedOverToTheNextServer) {
  LoanServer server;
  server.run();
  Client client = server.connect();
  const Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  ASSERT_EQ(or_exit(client.call("sum", loan, unhurried)).text(), sum_of(mib, 1));
  server.end();
  Server next = or_exit(Server::listen(server.path(), trusting()));
  add_loan_methods(next);
  std::thread loop([&] { EXPECT_TRUE(next.run()); });
  fill(loan.bytes(), 2);
  const auto reply = client.call("sum", loan, unhurried);
  EXPECT_TRUE(reply) << reply.error().explain();
  EXPECT_EQ(reply ? reply->text() : "", sum_of(mib, 2));
  EXPECT_EQ(client.reconnects(), 1u);
  next.stop();
  loop.join();
}

}  // namespace
}  // namespace tincan::test
