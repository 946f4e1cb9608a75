// Servers that go to a ring in ways in which no server of ours does: a client is not held up, and
// its calls end as what they are (promises 3 and 14).

#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "system/raw_ring_server.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;
using Step = RawRingServer::Step;

struct Fraud {
  const char* name;
  std::function<void(RawRingServer&)> commit;
};

class RingFrauds : public ::testing::TestWithParam<Fraud> {};

// Its call has no deadline to end it, but the one at which the test has failed.
TEST_P(RingFrauds, EndTheConnectionAndWhoCallsIsTold) {
  RawRingServer server;
  const auto start = std::chrono::steady_clock::now();
  auto caller = std::async(std::launch::async, [&] {
    while (true) {
      const auto reply = server.connected->call("echo", "x", {.deadline = patience});
      if (!reply) return reply.error();
    }
  });
  GetParam().commit(server);
  const Failure failure = caller.get();
  EXPECT_NE(failure.cause(), Cause::deadline) << failure.explain();
  EXPECT_LT(std::chrono::steady_clock::now() - start, patience);
}

INSTANTIATE_TEST_SUITE_P(
    , RingFrauds,
    ::testing::Values(Fraud{"grant_of_nothing_asked_for",
                            [](RawRingServer& server) { server.say(Step::grant); }},
                      Fraud{"grant_of_more",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.serve_until(Step::ask));
                              server.say(Step::grant, 1, 2 * server.capacity);
                            }},
                      Fraud{"grant_of_no_size",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.serve_until(Step::ask));
                              server.say(Step::grant, 1, server.capacity - 1);
                            }},
                      Fraud{"grant_under_another_number",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.serve_until(Step::ask));
                              server.say(Step::grant, 2, server.capacity);
                            }},
                      Fraud{"acceptance_of_no_offer",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.serve_until(Step::ask));
                              server.say(Step::accept, 1, 0, {0});
                            }},
                      Fraud{"wish_of_a_server",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.serve_until(Step::ask));
                              server.say(Step::ask, 1, server.capacity);
                            }},
                      Fraud{"acceptance_with_no_doorbell",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.take_offer());
                              server.say(Step::accept, 1, 0, {server.peer->fd()});
                            }},
                      Fraud{"second_acceptance",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.say(Step::accept, 1, 0, {server.bell->listening_end()});
                            }},
                      Fraud{"produced_beyond_the_ring",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.memory->words().produced = server.capacity + 1;
                              server.bell->ring();
                            }},
                      Fraud{"nonsense_in_the_ring",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.write(RawPeer::Bytes(100, std::byte{0xAB}));
                            }},
                      Fraud{"descriptors_that_were_not_sent",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.end->announce_descriptors();
                              server.write(RawPeer::Bytes(1));
                            }},
                      Fraud{"descriptors_for_what_is_never_published",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.memory->words().descriptor_sets = 3;
                              for (const std::uint64_t at : {1000, 2000, 3000}) {
                                server.send_descriptor_for(at);
                              }
                            }},
                      Fraud{"nonsense_on_the_socket",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.peer->send(RawPeer::Bytes(16, std::byte{0xAB}));
                            }},
                      Fraud{"revocation_beyond_what_was_published",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.send_revoke(1 << 20);
                            }},
                      Fraud{"second_revocation",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.send_revoke(0);
                              server.send_revoke(0);
                            }},
                      Fraud{"larger_ring_than_asked_for",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              const auto wish = server.be_asked_for_larger();
                              server.say_in_ring(Step::grant, 2, 2 * wish.capacity_bytes);
                            }},
                      Fraud{"larger_ring_twice",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              const auto wish = server.be_asked_for_larger();
                              server.say_in_ring(Step::grant, 2, wish.capacity_bytes);
                              server.say_in_ring(Step::grant, 2, wish.capacity_bytes);
                            }},
                      Fraud{"larger_ring_granted_and_refused",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              const auto wish = server.be_asked_for_larger();
                              server.say_in_ring(Step::grant, 2, wish.capacity_bytes);
                              server.say_in_ring(Step::refuse, 2);
                            }},
                      Fraud{"larger_ring_that_was_not_asked_for",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              server.say_in_ring(Step::grant, 2, server.capacity);
                            }},
                      Fraud{"end_while_the_client_sleeps",
                            [](RawRingServer& server) {
                              EXPECT_TRUE(server.reach());
                              EXPECT_TRUE(eventually([&] {
                                return (server.memory->peer_words().sleep.load() &
                                        ring::sleeps_for_bytes) != 0;
                              }));
                              server.peer->close();
                            }}),
    [](const auto& one) { return std::string(one.param.name); });

// It has asked for a larger one, and waits for the answer however often it is filled meanwhile.
TEST(RingOfAServer, IsFoundTooSmallOnce) {
  RawRingServer server;
  auto caller = std::async(std::launch::async, [&] {
    while (server.connected->call("echo", "x", {.deadline = patience})) {
    }
  });
  ASSERT_TRUE(server.reach());
  EXPECT_EQ(server.be_asked_for_larger().capacity_bytes, 4 * server.capacity);
  for (int round = 0; round < 30; ++round) {
    ASSERT_TRUE(eventually([&] { return server.fill(); }));
  }
  ASSERT_TRUE(eventually([&] { return server.end->is_drained_by_peer(); }));
  EXPECT_FALSE(server.end->is_readable()) << "it says something";
  server.peer->close();
}

// Ours grants the larger one when the last one is over, and its client may still be busy with that.
TEST(RingOfAServer, IsOfferedWhenTheLastOneIsOverThoughItWasGrantedBefore) {
  RawRingServer server;
  auto caller = std::async(std::launch::async, [&] {
    while (const auto reply = server.connected->call("echo", "x", {.deadline = 1h})) {
      if (reply->text() == "last") return true;
    }
    return false;
  });
  EXPECT_TRUE(server.reach());
  const std::uint64_t wish = server.be_asked_for_larger().capacity_bytes;
  server.say_in_ring(Step::grant, 2, wish / 2);
  EXPECT_TRUE(eventually([&] { return server.end->is_drained_by_peer(); }));
  [[maybe_unused]] const bool rings = server.end->revoke();
  EXPECT_TRUE(server.send_revoke(server.end->last_readable()));
  server.bell->ring();
  server.moved = false;
  const std::size_t descriptors = server.peer->descriptors().size();
  EXPECT_TRUE(server.serve_until(Step::offer));
  EXPECT_EQ(server.capacity, wish / 2);
  EXPECT_EQ(server.peer->descriptors().size(), descriptors + 3);
  EXPECT_TRUE(server.say(Step::refuse, 2));
  EXPECT_TRUE(answer(*server.peer, server.open_call, "last"));
  server.peer->close();
  EXPECT_TRUE(caller.get());
}

// What it says may end up on a terminal.
TEST(RingOfAServer, IsRefusedInWordsThatCanBePrinted) {
  RawRingServer server;
  auto caller = std::async(std::launch::async, [&] {
    while (server.connected->call("echo", "x", {.deadline = patience})->text() != "last") {
    }
  });
  EXPECT_TRUE(server.serve_until(Step::ask));
  server.say(Step::refuse, 1, 0, {}, "no\x1b[2J\r\nring");
  auto refusal = std::async(std::launch::async, [&] {
    return eventually([&] { return !server.connected->ring_refusal().empty(); });
  });
  while (refusal.wait_for(0s) != std::future_status::ready)
    server.serve(next_call(*server.peer).id);
  answer(*server.peer, next_call(*server.peer).id, "last");
  EXPECT_TRUE(refusal.get());
  EXPECT_EQ(server.connected->ring_refusal(), "no.[2J..ring");
}

// One thread sleeps for room in the ring; another one finds the lie when it writes.
TEST(RingOfAServer, WhoseLieOneThreadFindsEndsTheCallOfTheOneThatSleeps) {
  RawRingServer server;
  const std::string large(1'000'000, 'x');
  auto small = std::async(std::launch::async, [&] {
    while (true) {
      const auto reply = server.connected->call("echo", "x", {.deadline = patience});
      if (!reply) return reply.error();
    }
  });
  ASSERT_TRUE(server.reach());
  const auto call = [&](std::string_view text) {
    return server.connected->call("echo", text, {.deadline = patience}).error();
  };
  auto filling = std::async(std::launch::async, [&] { return call(large); });
  ASSERT_TRUE(eventually(
      [&] { return (server.memory->peer_words().sleep.load() & ring::sleeps_for_room) != 0; }));
  const auto start = std::chrono::steady_clock::now();
  server.memory->words().consumed = 1ull << 40;
  EXPECT_EQ(call("y").cause(), Cause::breach);
  EXPECT_EQ(small.get().cause(), Cause::breach);
  EXPECT_EQ(filling.get().cause(), Cause::breach);
  EXPECT_LT(std::chrono::steady_clock::now() - start, patience / 2);
}

}  // namespace
}  // namespace tincan::test
