// Limits of memory that is handed over, and what becomes of it when somebody dies.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <filesystem>

#include "system/loans.h"
#include "system/raw_loans.h"
#include "system/server_process.h"

namespace tincan::test {
namespace {

ServerOptions limited_to(std::uint64_t in_all, std::uint64_t per_uid) {
  ServerOptions options = trusting();
  options.view_bytes_max = in_all;
  options.view_bytes_per_uid_max = per_uid;
  return options;
}

TEST(LoanLimits, RefuseWhatIsLargerThanTheServerTakesBeforeItIsMade) {
  LoanServer server(limited_to(8 * mib, 4 * mib));
  server.run();
  Client client = server.connect();
  for (const Handover kind : {Handover::immutable, Handover::shared_view}) {
    const auto loan = client.loan(4 * mib + 1, kind);
    ASSERT_FALSE(loan);
    EXPECT_EQ(loan.error().cause(), Cause::too_large);
  }
  EXPECT_TRUE(client.call("sum", filled(client.loan(4 * mib), 1), unhurried));
}

TEST(LoanLimits, RefuseOneUserMoreThanItsShareAndGiveItBack) {
  LoanServer server(limited_to(8 * mib, 4 * mib));
  server.run();
  Client client = server.connect();
  Client other = server.connect();
  ASSERT_TRUE(client.send("hold", filled(client.loan(3 * mib), 1), unhurried));
  ASSERT_TRUE(client.call("size", "", unhurried));
  const auto refused = other.call("sum", filled(other.loan(2 * mib), 2), unhurried);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::exhausted);
  EXPECT_EQ(refused.error().outcome(), Outcome::not_sent);
  EXPECT_TRUE(other.call("sum", filled(other.loan(mib), 2), unhurried));
  server.let_go();
  EXPECT_TRUE(eventually(
      [&] { return other.call("sum", filled(other.loan(4 * mib), 2), unhurried).has_value(); }));
}

TEST(LoanLimits, OfASharedViewThatWasRefusedAreAskedAgain) {
  LoanServer server(limited_to(8 * mib, 4 * mib));
  server.run();
  Client client = server.connect();
  Client other = server.connect();
  ASSERT_TRUE(client.send("hold", filled(client.loan(3 * mib), 1), unhurried));
  ASSERT_TRUE(client.call("size", "", unhurried));
  const Loan loan = filled(other.loan(2 * mib, Handover::shared_view), 2);
  ASSERT_FALSE(other.call("sum", loan, unhurried));
  server.let_go();
  EXPECT_TRUE(eventually([&] {
    const auto reply = other.call("sum", loan, unhurried);
    return reply && reply->text() == sum_of(2 * mib, 2);
  }));
}

TEST(LoanLimits, CountWhatARequestHoldsBeyondItsConnection) {
  LoanServer server(limited_to(4 * mib, 4 * mib));
  server.run();
  {
    Client client = server.connect();
    ASSERT_TRUE(client.send("hold", filled(client.loan(3 * mib), 1), unhurried));
    ASSERT_TRUE(client.call("size", "", unhurried));
  }
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 0; }));
  Client other = server.connect();
  const auto refused = other.call("sum", filled(other.loan(2 * mib), 2), unhurried);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::exhausted);
  EXPECT_EQ(server.let_go(), sum_of(3 * mib, 1));  // it is still all there
  EXPECT_TRUE(eventually(
      [&] { return other.call("sum", filled(other.loan(4 * mib), 2), unhurried).has_value(); }));
}

// It comes back as a copy, so it is bounded as a payload that came as one.
TEST(LoanLimits, OfWhatPingSendsBackAreThoseOfACopiedRequest) {
  ServerOptions options;
  options.payload_bytes_max = mib;
  LoanServer server(options);
  server.run();
  Client client = server.connect({.payload_bytes_max = 1024 * mib});
  const auto echo = client.call("tincan.ping", filled(client.loan(mib), 1), unhurried);
  ASSERT_TRUE(echo) << echo.error().explain();
  EXPECT_EQ(sum_of(echo->payload()), sum_of(mib, 1));
  const auto refused = client.call("tincan.ping", or_exit(client.loan(mib + 1)), unhurried);
  ASSERT_FALSE(refused) << "sent back";
  EXPECT_EQ(refused.error().cause(), Cause::declared);
  EXPECT_EQ(refused.error().detail(),
            "tincan.ping sends a payload of 1048577 bytes back as a copy: at most 1048576, the "
            "largest request that this server takes");
}

// A mapping costs something however small it is.
TEST(LoanLimits, CountEachViewAsAMebibyteAtLeast) {
  LoanServer server(limited_to(4 * mib, 4 * mib));
  server.run();
  RawLoans client(server.path());
  ASSERT_TRUE(client.ask());
  const Descriptor small = good_memory(4096, Handover::shared_view);
  for (std::uint64_t number = 1; number <= 5; ++number) {
    ASSERT_TRUE(client.hand_over(number, Handover::shared_view, 4096, small.get()));
    ASSERT_TRUE(client.name(number, number, 10));
    const std::string answer = client.answer();
    EXPECT_EQ(answer == "0", number < 5) << answer;
  }
  // Given back when it is taken back.
  client.peer.send(RawLoans::bare(wire::Kind::handover, 1));
  ASSERT_TRUE(client.hand_over(6, Handover::shared_view, 4096, small.get()));
  ASSERT_TRUE(client.name(6, 6, 10));
  EXPECT_EQ(client.answer(), "0");
}

/// What a client is lent that takes any number and releases none: how many, and the words then.
std::pair<int, std::string> lent_without_end(RawPeer& greedy) {
  RawPeer::Bytes hello;
  wire::encode_hello({.payload_bytes_max = limits::payload_bytes_max,
                      .calls_in_flight_max = 1,
                      .abilities = wire::ability_handover | wire::ability_shared_views,
                      .loans_max = UINT32_MAX,
                      .loan_bytes_max = UINT64_MAX},
                     hello);
  EXPECT_TRUE(greedy.send(hello));
  EXPECT_TRUE(greedy.send(RawLoans::bare(wire::Kind::release, 0)));
  for (int lent = 0;; ++lent) {
    if (!greedy.send(RawPeer::call(static_cast<std::uint64_t>(lent) + 1, 0, "lend"))) break;
    auto frame = greedy.read();
    while (frame && frame->header.kind != wire::Kind::reply &&
           frame->header.kind != wire::Kind::error) {
      frame = greedy.read();
    }
    if (!frame) break;
    if (frame->header.kind == wire::Kind::error) return {lent, frame->error()};
  }
  return {-1, "the connection has ended"};
}

// Each of them is a descriptor of the server's.
TEST(LoanLimits, OfWhatOneClientIsLentAreNotWhatItSaysThatItTakes) {  // P13, P15
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server& served) {
    const rlimit few{limits::loans_ceiling + 100, limits::loans_ceiling + 100};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    served.on("lend", [](Request request) {
      auto loan = request.loan(4096, Handover::shared_view);
      if (loan) {
        request.reply(std::move(*loan));
      } else {
        request.fail((loan.error().cause() == Cause::exhausted ? "exhausted: " : "other: ") +
                     loan.error().detail());
      }
    });
  });
  RawPeer greedy(directory / "s");
  const auto [lent, words] = lent_without_end(greedy);
  EXPECT_EQ(lent, int{limits::loans_ceiling});
  EXPECT_EQ(words, "exhausted: the other side has not released what it was lent: " +
                       std::to_string(limits::loans_ceiling) + ", as many as it takes");
  const auto other = Client::connect(directory / "s");
  EXPECT_TRUE(other) << other.error().explain();
}

TEST(LoanLimits, OfSharedViewsAtOnceGiveFreeOnesUpForOthers) {
  ServerOptions options = trusting();
  options.views_max = 2;
  LoanServer server(options);
  server.run();
  Client client = server.connect();
  for (std::uint64_t bytes = mib; bytes < 10 * mib; bytes += mib) {
    const auto reply =
        client.call("sum", filled(client.loan(bytes, Handover::shared_view), 1), unhurried);
    ASSERT_TRUE(reply) << reply.error().explain();
    EXPECT_EQ(reply->text(), sum_of(bytes, 1));
  }
  const Loan one = filled(client.loan(mib, Handover::shared_view), 1);
  const Loan two = filled(client.loan(mib, Handover::shared_view), 1);
  const auto three = client.loan(mib, Handover::shared_view);
  ASSERT_FALSE(three);
  EXPECT_EQ(three.error().cause(), Cause::exhausted);
}

/// The same on a connection that dies: what it had is given back.
void have_it_killed(const std::string& path, Handover kind) {
  auto child = Process::fork([&] {
    Client client = or_exit(Client::connect(path, {.connect_deadline = patience}));
    Loan loan = filled(client.loan(3 * mib, kind), 1);
    or_exit(client.send("forget", loan, unhurried));
    or_exit(client.call("size", "", unhurried));
    std::printf("sent\n");
    std::fflush(stdout);
    ::pause();
    return 0;
  });
  ASSERT_TRUE(child.wait_for_output("sent")) << child.output();
  child.kill(SIGKILL);
  child.wait();
}

TEST(LoanLimits, AreGivenBackByClientsThatAreKilled) {
  const TemporaryDirectory directory;
  auto server = start_server(
      directory / "s",
      [](Server& served) {
        add_loan_methods(served);
        served.on("forget", [held = std::make_shared<std::vector<Request>>()](Request request) {
          held->clear();
          held->push_back(std::move(request));
        });
      },
      limited_to(4 * mib, 4 * mib));
  for (int i = 0; i < 6; ++i) {
    have_it_killed(directory / "s", i % 2 == 0 ? Handover::immutable : Handover::shared_view);
    Client client = or_exit(Client::connect(directory / "s", {.connect_deadline = patience}));
    or_exit(client.send("forget", "", unhurried));  // what was held until now
    EXPECT_TRUE(eventually([&] {
      return client.call("sum", filled(client.loan(4 * mib), 2), unhurried).has_value();
    })) << i;
  }
}

TEST(SharedViews, AreReleasedByServersThatAreKilled) {
  const TemporaryDirectory directory;
  std::optional<Process> server = start_server(
      directory / "s",
      [](Server& served) {
        add_loan_methods(served);
        served.on("forget", [held = std::make_shared<std::vector<Request>>()](Request request) {
          held->push_back(std::move(request));
        });
      },
      trusting());
  Client client = or_exit(
      Client::connect(directory / "s", {.connect_deadline = patience, .reconnect_deadline = {}}));
  const Loan loan = filled(client.loan(mib, Handover::shared_view), 1);
  ASSERT_TRUE(client.send("forget", loan, unhurried));
  ASSERT_TRUE(client.call("size", "", unhurried));
  EXPECT_FALSE(loan.is_released());
  server->kill(SIGKILL);
  EXPECT_TRUE(client.await_release(loan, patience));
}

TEST(LoanFork, LeavesTheLoansOfTheParentToIt) {  // P18
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", add_loan_methods, trusting());
  ClientOptions options;
  options.connect_deadline = patience;
  options.views_max = 4;
  Client client = or_exit(Client::connect(directory / "s", options));
  std::optional<Loan> loans[2] = {filled(client.loan(mib, Handover::shared_view), 1),
                                  filled(client.loan(mib), 1)};
  auto child = Process::fork([&] {
    for (auto& loan : loans) {
      if (!loan->bytes().empty()) return 1;
      const auto called = client.call("sum", *loan);
      if (called || called.error().cause() != Cause::forked) return 2;
      loan.reset();
    }
    return client.loan(mib).error().cause() == Cause::forked ? 0 : 3;
  });
  EXPECT_EQ(child.wait(), 0) << child.output();
  for (auto& loan : loans) {
    EXPECT_EQ(or_exit(client.call("sum", *loan, unhurried)).text(), sum_of(mib, 1));
  }
}

/// Replaced where it is taken: whoever unmaps there takes down what is not his.
bool occupy(std::span<std::byte> where) {
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  void* const at = ::mmap(where.data(), where.size(), PROT_READ | PROT_WRITE, flags, -1, 0);
  return at == where.data();
}

std::size_t memory_files_here() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    count += std::filesystem::read_symlink(entry, gone).string().starts_with("/memfd:");
  }
  return count;
}

TEST(LoanFork, LeavesWhatAServerHasLentToTheParent) {  // P18
  const TemporaryDirectory directory;
  auto process = Process::fork([&] {
    Server server = or_exit(Server::listen(directory / "s"));
    std::span<std::byte> lent;
    server.on("lend", [&](Request request) {
      Loan loan = filled(server.loan(mib, Handover::shared_view), 1);
      lent = loan.bytes();
      request.reply(std::move(loan));
    });
    server.on("fork", [&](Request request) {
      std::fflush(nullptr);
      if (::fork() > 0) {
        request.reply();
      } else if (!occupy(lent)) {
        std::printf("the loan is mapped in the child\n");
      }
    });
    std::printf("ready\n");
    std::fflush(stdout);
    if (server.run()) return 0;
    lent.front() = std::byte{1};
    std::printf("the child has %zu of its files\n", memory_files_here());
    std::fflush(stdout);
    return 0;
  });
  ASSERT_TRUE(process.wait_for_output("ready"));
  ClientOptions options;
  options.views_max = 4;
  options.shared_views = true;
  options.transport = Transport::socket;
  Client client = or_exit(Client::connect(directory / "s", options));
  const Reply held = or_exit(client.call("lend", "", unhurried));
  ASSERT_TRUE(client.call("fork", "", unhurried));
  EXPECT_TRUE(process.wait_for_output("the child has 0 of its files")) << process.output();
  EXPECT_EQ(sum_of(held.payload()), sum_of(mib, 1));
}

}  // namespace
}  // namespace tincan::test
