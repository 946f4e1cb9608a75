// Rings in which nothing is said: nobody does anything for them.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "support/rounds.h"
#include "support/seam.h"
#include "system/ring_client.h"
#include "system/server_process.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t idle_rings = 20;

#ifdef TINCAN_SEAM

class CallCount : public os::Seam {
 public:
  int before(os::Call, std::size_t*) override {
    ++count;
    return 0;
  }
  std::atomic<int> count = 0;
};

TEST_F(LastingRings, CostNoSystemCallsWhileNothingIsSaid) {
  std::vector<Request> held;
  server_->on("hold", [&](Request request) { held.push_back(std::move(request)); });
  server_->on("let go", [&](Request request) { held.clear(), request.reply(); });
  server_.run(3);
  std::vector<Client> clients;
  for (std::size_t i = 0; i < idle_rings; ++i) {
    clients.push_back(server_.connect(eager()));
    ASSERT_TRUE(reach_ring(clients.back()));
    if (i % 2 == 0) {
      ASSERT_GE(clients.back().fd(), 0);
      clients.back().process();
    }
  }
  ClientOptions blocking = eager();
  blocking.waiting = Waiting::block;  // else it looks at its socket, and the server at his
  Client bystander = server_.connect(blocking);
  CallCount calls;
  {
    const Installed installed(calls);
    EXPECT_FALSE(bystander.call("hold", "", {.deadline = 300ms}));
  }
  // That call's own, and those of loops that look for a moment before they sleep.
  EXPECT_LT(calls.count, 300) << "something wakes up again and again";
  EXPECT_TRUE(bystander.call("let go"));
  server_.end();
}

#endif

std::chrono::microseconds processor_time() {
  rusage usage = {};
  EXPECT_EQ(::getrusage(RUSAGE_SELF, &usage), 0);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

/// A number that a server says over the socket.
long number(Client& client, std::string_view method) {
  return std::stol(std::string(or_exit(client.call(method)).text()));
}

class IdleForAMinute : public ::testing::TestWithParam<std::chrono::milliseconds> {};

TEST_P(IdleForAMinute, CostNoTimeOfTheProcessor) {
  if (rounds(0, 1) == 0) GTEST_SKIP() << "takes a minute: scripts/long measure";
  const TemporaryDirectory directory;
  const auto add_methods = [](Server& server) {
    server.on("echo", [](Request request) { request.reply(request.payload()); });
    server.on("cpu",
              [](Request request) { request.reply(std::to_string(processor_time().count())); });
    server.on("rings",
              [&server](Request request) { request.reply(std::to_string(server.counts().rings)); });
  };
  auto server = start_server(directory / "s", add_methods, {.ring_idle = GetParam()});
  Client witness = or_exit(Client::connect(directory / "s"));
  std::vector<Client> clients;
  for (std::size_t i = 0; i < idle_rings; ++i) {
    clients.push_back(or_exit(Client::connect(directory / "s", eager())));
    ASSERT_TRUE(reach_ring(clients.back()));
    ASSERT_GE(clients.back().fd(), 0);
    clients.back().process();
  }
  const bool lasts = GetParam() > 1min;
  ASSERT_TRUE(
      eventually([&] { return number(witness, "rings") == (lasts ? long{idle_rings} : 0); }));
  const long server_before = number(witness, "cpu");
  const auto client_before = processor_time();
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, 10'000);
  const long server_cost = number(witness, "cpu") - server_before;
  const auto client_cost = processor_time() - client_before;
  std::printf("%zu idle %s, a minute: %ld us of the server's CPU, %ld us of the clients'\n",
              idle_rings, lasts ? "rings" : "connections whose rings were taken back", server_cost,
              static_cast<long>(client_cost.count()));
  EXPECT_LT(server_cost, 5000) << "is not 0.00 s";
  EXPECT_LT(client_cost, 5ms) << "is not 0.00 s";
}

INSTANTIATE_TEST_SUITE_P(, IdleForAMinute, ::testing::Values(1h, 900ms), [](const auto& one) {
  return std::string(one.param > 1min ? "in_their_rings" : "after_their_rings");
});

}  // namespace
}  // namespace tincan::test
