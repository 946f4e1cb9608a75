// Each call ends in exactly one outcome, and the outcome is true (promise 1).

#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "support/rounds.h"
#include "support/temporary_directory.h"
#include "system/polling.h"
#include "system/server_process.h"
#include "system/shared_memory.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

TEST(Outcome, OfACallInFlightIsUnknownWhenTheServerDiesAndComesAtOnce) {  // P1, P3, P6
  const TemporaryDirectory directory;
  auto server = start_server(
      directory / "s", [](Server& served) { served.on("die", [](Request) { ::raise(SIGKILL); }); });
  Client client = or_exit(Client::connect(directory / "s"));
  const auto reply = client.call("die", "", {.deadline = 1h});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::unknown);
  EXPECT_EQ(reply.error().cause(), Cause::closed);
}

TEST(Outcome, OfACallToAServerThatHasGoneIsNotSent) {  // P1
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s", {.reconnect_deadline = 20ms}));
  server.kill();
  ASSERT_TRUE(server.wait());
  const auto reply = client.call("tincan.ping");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  EXPECT_EQ(reply.error().cause(), Cause::no_server);
}

TEST(Outcome, OfCallsThatTheServerDidNotReadIsUnknownButOfThoseNotWrittenNotSent) {  // P1
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {});
  Client client = or_exit(Client::connect(directory / "s", {.reconnect_deadline = 1ms}));
  server.kill(SIGSTOP);
  // Larger than any socket buffer: its last byte cannot be written.
  const std::string large(16 << 20, 'x');
  std::optional<Outcome> of_small;
  std::optional<Outcome> of_large;
  const auto into = [](std::optional<Outcome>& outcome) {
    return [&outcome](Result<Reply> reply) {
      ASSERT_FALSE(reply);
      outcome = reply.error().outcome();
    };
  };
  ASSERT_TRUE(client.submit("tincan.ping", bytes_of("small"), into(of_small), {.deadline = 1h}));
  ASSERT_TRUE(client.submit("tincan.ping", bytes_of(large), into(of_large), {.deadline = 1h}));
  client.process();
  server.kill();
  ASSERT_TRUE(process_until(client, [&] { return of_small && of_large; }));
  EXPECT_EQ(*of_small, Outcome::unknown);
  EXPECT_EQ(*of_large, Outcome::not_sent);
}

TEST(Outcome, OfACallThatExpiredBeforeItWasRunIsNotSent) {  // P1
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server& served) {
    served.on("stop", [](Request request) {
      request.reply();
      ::raise(SIGSTOP);
    });
    served.on("run", [](Request request) { request.reply("ran"); });
  });
  Client client = or_exit(Client::connect(directory / "s"));
  server.kill(SIGSTOP);
  std::optional<Failure> ended;
  // The verdict comes in its grace, for the server goes on as soon as the call has expired.
  const auto expired = [&](Result<Reply> reply) {
    ASSERT_FALSE(reply);
    ended = reply.error();
  };
  ASSERT_TRUE(client.submit("run", bytes_of(""), expired, {.deadline = 30ms}));
  const auto late = std::chrono::steady_clock::now() + 30ms;
  ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > late; }));
  server.kill(SIGCONT);
  ASSERT_TRUE(process_until(client, [&] { return ended.has_value(); }));
  EXPECT_EQ(ended->cause(), Cause::deadline);
  // Unknown when the grace was too short on a busy machine; never a reply.
  EXPECT_NE(ended->outcome(), Outcome::declared);
  EXPECT_EQ(client.call("run", "", {.deadline = 10s})->text(), "ran");
  const auto stats = client.call("tincan.stats");
  ASSERT_TRUE(stats);
  EXPECT_NE(stats->text().find("expired 1\n"), std::string::npos) << stats->text();
}

/// What the ledger test shares with the processes that it kills. The server writes here before it
/// runs a call, so that what it has run is known after its death.
struct Ledger {
  static constexpr std::size_t clients = 6;
  static constexpr std::size_t calls_max = 1'000'000;
  static constexpr std::size_t in_flight = 8;

  enum End : std::uint8_t { none, reply, declared, not_sent, unknown };
  struct Call {
    std::atomic<std::uint8_t> runs;
    std::atomic<std::uint8_t> ends;
    std::atomic<End> end;
    std::atomic<bool> idempotent;
  };
  std::array<std::array<Call, calls_max>, clients> calls;
  std::array<std::atomic<std::uint32_t>, clients> made;
  std::atomic<std::uint64_t> begun_in_rings;
  std::atomic<bool> finish;
};

struct CallNumber {
  std::uint32_t client;
  std::uint32_t call;
};

Ledger::End end_of(const Result<Reply>& reply) {
  if (reply) return Ledger::reply;
  switch (reply.error().outcome()) {
    case Outcome::declared:
      return Ledger::declared;
    case Outcome::not_sent:
      return Ledger::not_sent;
    case Outcome::unknown:
      return Ledger::unknown;
  }
  return Ledger::none;
}

void note(Ledger::Call& call, const Result<Reply>& reply) {
  call.end = end_of(reply);
  ++call.ends;
}

Setup writing_into(Ledger& ledger) {
  return [&ledger](Server& server) {
    server.on("run", [&ledger](Request request) {
      CallNumber number;
      std::memcpy(&number, request.payload().data(), sizeof number);
      ++ledger.calls[number.client][number.call].runs;
      request.reply(request.payload().first(sizeof number));
    });
  };
}

/// Makes calls of changing sizes until told to finish: half of the clients wait for each, half keep
/// several in flight.
int make_calls(Ledger& ledger, std::uint32_t self, const std::string& path,
               const ClientOptions& client_options) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Client client = or_exit(Client::connect(path, client_options));
  std::size_t in_flight = 0;
  for (std::uint32_t i = 0; i < Ledger::calls_max && !ledger.finish; ++i) {
    const CallNumber number{self, i};
    // Now and then one that fills the socket, so that it is killed half-way.
    std::vector<std::byte> payload(sizeof number + (i % 50 == 0 ? 600'000 : i % 300));
    std::memcpy(payload.data(), &number, sizeof number);
    Ledger::Call& call = ledger.calls[self][i];
    const CallOptions options{.deadline = 30s, .idempotent = i % 4 == 0};
    call.idempotent = options.idempotent;
    ledger.made[self] = i + 1;
    if (client.ring_bytes() > 0) ++ledger.begun_in_rings;
    if (self % 2 == 0) {
      note(call, client.call("run", payload, options));
      continue;
    }
    ++in_flight;
    const auto done = [&call, &in_flight](Result<Reply> reply) { note(call, reply), --in_flight; };
    if (!client.submit("run", payload, done, options)) return 2;
    if (!process_until(client, [&] { return in_flight < Ledger::in_flight; })) return 3;
  }
  return process_until(client, [&] { return in_flight == 0; }) ? 0 : 4;
}

/// Over the socket; over rings, to which each connection moves after some calls; and while it moves
/// there and back all the time.
struct Way {
  const char* name;
  ClientOptions of_client;
  ServerOptions of_server;
};

class Outcomes : public ::testing::TestWithParam<Way> {};

INSTANTIATE_TEST_SUITE_P(
    , Outcomes,
    ::testing::Values(
        Way{"socket", {.transport = Transport::socket}, {}},
        Way{"rings",
            {.transport = Transport::automatic, .ring_after_calls = 2, .ring_window = 1h},
            {.ring_grants_per_second = 1'000'000}},
        Way{"moving",
            {.transport = Transport::automatic, .ring_after_calls = 2, .ring_window = 1h},
            {.ring_grants_per_second = 1'000'000, .ring_idle = 1ms}}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_P(Outcomes, AreTrueAndOneForEachCallWhileTheServerIsKilledAgainAndAgain) {  // P1, P7
  const TemporaryDirectory directory;
  const Shared<Ledger> ledger;
  const int kills = rounds(60, 600);
  const auto start = [&] {
    return start_server(directory / "s", writing_into(*ledger), GetParam().of_server);
  };
  auto server = start();
  std::vector<Process> clients;
  for (std::uint32_t i = 0; i < Ledger::clients; ++i) {
    clients.push_back(Process::fork(
        [&, i] { return make_calls(*ledger, i, directory / "s", GetParam().of_client); }));
  }
  // connect() tries once, so a kill must not come before all have connected.
  ASSERT_TRUE(eventually([&] {
    return std::ranges::all_of(ledger->made, [](const auto& count) { return count > 0; });
  }));
  for (int i = 0; i < kills; ++i) {
    const auto made = [&] {
      std::uint32_t sum = 0;
      for (const auto& count : ledger->made) sum += count;
      return sum;
    };
    const std::uint32_t before = made();
    const std::uint32_t wanted = 100 + static_cast<std::uint32_t>(i) * 7 % 50;
    ASSERT_TRUE(eventually([&] { return made() > before + wanted; }));
    server.kill();
    ASSERT_TRUE(server.wait());
    server = start();
  }
  ledger->finish = true;
  for (Process& client : clients) ASSERT_EQ(client.wait(), 0) << client.output();

  std::size_t ends[5] = {};
  for (std::size_t i = 0; i < Ledger::clients; ++i) {
    for (std::uint32_t k = 0; k < ledger->made[i]; ++k) {
      const Ledger::Call& call = ledger->calls[i][k];
      const Ledger::End end = call.end;
      ++ends[end];
      ASSERT_EQ(call.ends, 1) << "of call " << k << " of client " << i;
      ASSERT_FALSE(end == Ledger::not_sent && call.runs > 0) << "not sent, but run: " << k;
      ASSERT_FALSE(end == Ledger::reply && call.runs == 0) << "answered, but not run: " << k;
      ASSERT_FALSE(!call.idempotent && call.runs > 1) << "run twice: " << k;
    }
  }
  const bool is_to_move = GetParam().of_client.transport != Transport::socket;
  EXPECT_EQ(ledger->begun_in_rings > 0, is_to_move);
  EXPECT_EQ(ends[Ledger::none], 0u);
  EXPECT_EQ(ends[Ledger::declared], 0u);
  EXPECT_GT(ends[Ledger::reply], ends[Ledger::unknown]);
  EXPECT_GT(ends[Ledger::unknown], 0u) << "no kill met a call: this test shows nothing";
  EXPECT_LE(ends[Ledger::unknown],
            static_cast<std::size_t>(kills) * Ledger::clients * Ledger::in_flight);
}

TEST(Outcome, OfTheOthersCallsIsNotTouchedByTheDeathOfAClient) {  // P1, P5
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server& served) {
    const auto held = std::make_shared<std::vector<Request>>();
    served.on("hold", [held](Request request) { held->push_back(std::move(request)); });
    served.on("held", [held](Request request) { request.reply(std::to_string(held->size())); });
    served.on("release", [held](Request request) {
      for (Request& one : *held) one.reply(one.text());
      held->clear();
      request.reply();
    });
  });
  Client witness = or_exit(Client::connect(directory / "s"));
  const auto held = [&] { return std::string(or_exit(witness.call("held")).text()); };
  auto dying = Process::fork([&] {
    Client client = or_exit(Client::connect(directory / "s"));
    return client.call("hold", "dying", {.deadline = 1h}) ? 0 : 1;
  });
  Client living = or_exit(Client::connect(directory / "s"));
  std::optional<std::string> answer;
  const auto take = [&](Result<Reply> reply) { answer = or_exit(std::move(reply)).text(); };
  ASSERT_TRUE(living.submit("hold", bytes_of("living"), take, {.deadline = 1h}));
  living.process();
  ASSERT_TRUE(eventually([&] { return held() == "2"; }));
  dying.kill();
  ASSERT_TRUE(dying.wait());
  ASSERT_TRUE(witness.call("release"));
  ASSERT_TRUE(process_until(living, [&] { return answer.has_value(); }));
  EXPECT_EQ(*answer, "living");
}

}  // namespace

}  // namespace tincan::test
