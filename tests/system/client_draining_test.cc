// What a client makes of a server that says it drains.

#include "system/polling.h"
#include "system/raw_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

/// As no server of ours does: without DRAIN before it.
TEST(Client, DoesNotCallAgainWhereAServerOnlySaysThatItDrains) {  // P1
  RawServer server;
  auto [client, peer] = server.connect();
  auto called = std::async(std::launch::async, [&] { return client.call("m", "", {20s}); });
  const auto expect_draining = [&](const Result<Reply>& reply) {
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
    EXPECT_EQ(reply.error().cause(), Cause::draining);
    EXPECT_EQ(reply.error().detail(), server.path() + ": stopping");
  };
  const auto say_draining = [&](std::uint64_t id) {
    RawPeer::Bytes bytes;
    wire::encode_error(id, {.reason = wire::Reason::draining, .text = "stopping"}, bytes);
    return peer.send(bytes);
  };
  ASSERT_TRUE(say_draining(next_call(peer).id));
  ASSERT_EQ(called.wait_for(patience), std::future_status::ready);
  expect_draining(called.get());

  std::optional<Result<Reply>> ended;
  ASSERT_TRUE(client.submit("m", {}, [&](Result<Reply> reply) { ended = std::move(reply); },
                            {.deadline = 20s}));
  ASSERT_TRUE(say_draining(next_call(peer).id));
  ASSERT_TRUE(process_until(client, [&] { return ended.has_value(); }));
  expect_draining(*ended);
}

}  // namespace

}  // namespace tincan::test
