// A call that has to wait until another thread lets the client's lock go.

#include <atomic>

#include "support/seam.h"
#include "system/raw_server.h"

#ifdef TINCAN_SEAM

namespace tincan::test {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Holds the first write up until `end`, in which its thread has the client's lock.
class HeldWrite : public os::Seam {
 public:
  int before(os::Call call, std::size_t*) override {
    if (call != os::Call::send || begun.exchange(true)) return 0;
    eventually([&] { return steady_clock::now() >= end.load(); });
    return 0;
  }
  std::atomic<bool> begun = false;
  std::atomic<steady_clock::time_point> end = steady_clock::time_point::max();
};

TEST(ClientLock, DoesNotLengthenTheDeadlineOfACallThatWaitedForIt) {  // P3
  RawServer server;
  auto [client, peer] = server.connect();
  HeldWrite held;
  const Installed installed(held);
  auto writer = std::async(std::launch::async, [&] { return client.send("take"); });
  ASSERT_TRUE(eventually([&] { return held.begun.load(); }));
  const auto start = steady_clock::now();
  held.end = start + 500ms;
  const auto reply = client.call("never answered", "", {.deadline = 600ms});
  EXPECT_LE(steady_clock::now() - start, 600ms + 200ms);  // reckoned from `end`, 1100 ms
  EXPECT_EQ(reply.error().cause(), Cause::deadline);
  EXPECT_TRUE(writer.get());
}

TEST(ClientLock, DoesNotLengthenTheDeadlineOfACallThatWaitsForTheConnectionOfAnother) {  // P3
  RawServer server;
  auto [client, peer] = server.connect();
  peer.close();
  auto patient = std::async(std::launch::async, [&] {
    return client.call("never answered", "", {.deadline = std::chrono::seconds(1)});
  });
  RawPeer silent = server.accept();  // which has no HELLO from us
  const auto start = steady_clock::now();
  const auto reply = client.call("never sent", "", {.deadline = 50ms});
  EXPECT_LE(steady_clock::now() - start, 50ms + 200ms);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  EXPECT_EQ(reply.error().cause(), Cause::deadline);
  EXPECT_EQ(patient.get().error().outcome(), Outcome::not_sent);
}

}  // namespace

}  // namespace tincan::test

#endif
