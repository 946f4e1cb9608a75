// A client whose connections come, end and overlap, seen from a server that does as the test says.

#include <fcntl.h>
#include <sys/socket.h>

#include <thread>

#include "system/polling.h"
#include "system/raw_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

struct Completion {
  std::optional<Result<Reply>> end;
  Client::Completion take() {
    return [this](Result<Reply> reply) { end = std::move(reply); };
  }
};

/// A client whose process() has connected again, and waits for a HELLO.
struct HalfConnected {
  RawServer server;
  std::optional<Client> client;
  std::optional<RawPeer> late;
  Completion submitted;

  HalfConnected() {
    auto [made, first] = server.connect();
    client.emplace(std::move(made));
    EXPECT_GE(client->fd(), 0);
    first.close();
    EXPECT_TRUE(client->submit("submitted", {}, submitted.take(), {.deadline = 1h}));
    EXPECT_TRUE(process_until(*client, [&] { return server.is_waited_for(0ms); }));
    late.emplace(server.accept());
  }
};

TEST(Links, ThatProcessMakesLeaveACallItsOwn) {
  HalfConnected half;
  auto call = std::async(std::launch::async,
                         [&] { return half.client->call("called", "", {.deadline = 1h}); });
  RawPeer used = half.server.greet();
  const RawCall called = next_call(used);
  ASSERT_EQ(called.method, "called");
  half.late->greet();  // now it is one too many
  ASSERT_TRUE(process_until(*half.client, [&] { return is_readable(used.fd(), 0ms); }));
  const RawCall submitted = next_call(used);
  ASSERT_EQ(submitted.method, "submitted");
  answer(used, submitted.id, "one");
  answer(used, called.id, "two");
  ASSERT_TRUE(process_until(*half.client, [&] { return half.submitted.end.has_value(); }));
  EXPECT_EQ(or_exit(std::move(*half.submitted.end)).text(), "one");
  EXPECT_EQ(or_exit(call.get()).text(), "two");
  EXPECT_EQ(half.client->reconnects(), 1u);
  EXPECT_TRUE(half.late->is_closed());
}

TEST(Links, ThatACallMakesLeaveSubmittedOnesTheirs) {
  HalfConnected half;
  auto call = std::async(std::launch::async,
                         [&] { return half.client->call("called", "", {.deadline = 1h}); });
  RawPeer surplus = half.server.accept();
  half.late->greet();
  ASSERT_TRUE(process_until(*half.client, [&] { return half.client->reconnects() == 1; }));
  const RawCall submitted = next_call(*half.late);
  ASSERT_EQ(submitted.method, "submitted");
  surplus.greet();
  const RawCall called = next_call(*half.late);
  ASSERT_EQ(called.method, "called");
  answer(*half.late, called.id, "two");
  EXPECT_EQ(or_exit(call.get()).text(), "two");
  answer(*half.late, submitted.id, "one");
  ASSERT_TRUE(process_until(*half.client, [&] { return half.submitted.end.has_value(); }));
  EXPECT_EQ(or_exit(std::move(*half.submitted.end)).text(), "one");
  EXPECT_EQ(half.client->reconnects(), 1u);
  EXPECT_TRUE(surplus.is_closed());
}

}  // namespace

}  // namespace tincan::test
