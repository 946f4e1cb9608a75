// Threads of one client that cannot write because the server does not read (promises 3 and 5).

#include <atomic>
#include <set>
#include <thread>

#include "support/seam.h"
#include "system/polling.h"
#include "system/raw_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

struct Caller {
  std::future<Result<Reply>> end;
  Caller(Client& client, const char* method, std::size_t bytes,
         std::chrono::nanoseconds deadline = 1h)
      : end(std::async(std::launch::async, [&client, method, bytes, deadline] {
          return client.call(method, std::string(bytes, 'x'), {.deadline = deadline});
        })) {}
  bool ends() { return end.wait_for(patience) == std::future_status::ready; }
};

bool has_bytes(const RawPeer& peer) {
  return eventually([&] {
    int bytes = 0;
    return ::ioctl(peer.fd(), FIONREAD, &bytes) == 0 && bytes > 0;
  });
}

/// Reads until the last fragment of a call of `method` has come; its id. `begun`: the ids of those
/// that have come in part.
std::uint64_t read_whole(RawPeer& peer, std::string_view method, std::set<std::uint64_t>& begun) {
  while (const auto frame = peer.read(wire::Kind::call)) {
    std::span<const std::byte> payload;
    wire::Prologue prologue;
    const bool first = (frame->header.flags & wire::flag_continued) == 0;
    if (first && wire::decode_prologue(frame->body, prologue, payload) &&
        prologue.method == method) {
      begun.insert(frame->header.id);
    }
    const bool more = (frame->header.flags & wire::flag_more) != 0;
    if (!more && begun.erase(frame->header.id) > 0) return frame->header.id;
  }
  return 0;
}
std::uint64_t read_whole(RawPeer& peer, std::string_view method) {
  std::set<std::uint64_t> begun;
  return read_whole(peer, method, begun);
}

TEST(WaitingForRoom, DoesNotKeepAThreadFromItsAnswer) {  // P3
  for (const bool answered_waits_first : {false, true}) {
    RawServer server;
    auto [client, peer] = server.connect({.reconnect_deadline = 0ms});
    Caller reader(client, "reader", 0);
    ASSERT_EQ(next_call(peer).method, "reader");
    std::optional<Caller> large, answered;
    if (!answered_waits_first) large.emplace(client, "large", 16 << 20);
    if (answered_waits_first) answered.emplace(client, "answered", 3 << 20);
    // Who holds the lock lets it go when the socket is full.
    ASSERT_TRUE(has_bytes(peer));
    if (!large) large.emplace(client, "large", 16 << 20);
    if (!answered) answered.emplace(client, "answered", 1000);
    const std::uint64_t id = read_whole(peer, "answered");
    ASSERT_NE(id, 0u);
    answer(peer, id);
    EXPECT_TRUE(answered->ends());
    peer.close();
    server.leave();
  }
}

TEST(WaitingForRoom, IsHandedOnWhenTheReaderOrTheWriterLeaves) {  // P3
  for (const bool reader_leaves_first : {false, true}) {
    RawServer server;
    auto [client, peer] = server.connect();
    Caller reader(client, "reader", 0);
    const RawCall first = next_call(peer);
    std::vector<Caller> writers;
    writers.emplace_back(client, "writer", 4 << 20, 100ms);  // leaves at its deadline
    ASSERT_TRUE(has_bytes(peer));
    for (int i = 0; i < 3; ++i) writers.emplace_back(client, "writer", 1 << 20);
    EXPECT_FALSE(writers[0].end.get());
    if (reader_leaves_first) answer(peer, first.id);
    std::set<std::uint64_t> begun;
    for (int i = 1; i < 4; ++i) {
      const std::uint64_t id = read_whole(peer, "writer", begun);
      EXPECT_NE(id, 0u);
      answer(peer, id);
    }
    if (!reader_leaves_first) answer(peer, first.id);
    EXPECT_TRUE(reader.ends());
    for (std::size_t i = 1; i < 4; ++i) EXPECT_TRUE(writers[i].ends());
    server.leave();
    peer.close();
  }
}

#ifdef TINCAN_SEAM

/// Counts how often somebody went to wait.
class Polls : public os::Seam {
 public:
  int before(os::Call call, std::size_t*) override {
    if (call == os::Call::poll) ++count;
    return 0;
  }
  std::atomic<int> count = 0;
};

TEST(WaitingForRoom, IsDoneAsleep) {  // P15
  RawServer server;
  auto [client, peer] = server.connect();
  Caller reader(client, "reader", 0);
  const RawCall first = next_call(peer);
  std::vector<Caller> writers;
  for (int i = 0; i < 3; ++i) {
    writers.emplace_back(client, "writer", 4 << 20, 500ms);
    ASSERT_TRUE(has_bytes(peer));
  }
  Polls polls;
  {
    const Installed installed(polls);
    answer(peer, first.id);
    EXPECT_TRUE(reader.ends());
    for (Caller& writer : writers) EXPECT_TRUE(writer.ends());
  }
  // A few each, for the half second in which there was no room; a thread that spins makes millions.
  EXPECT_LT(polls.count, 1000);
}

#endif

TEST(WaitingForRoom, OfASubmittedCallWakesThePollLoop) {  // P3
  RawServer server;
  auto [client, peer] = server.connect({.calls_in_flight_max = 1});
  ASSERT_GE(client.fd(), 0);
  Caller caller(client, "called", 0);
  const RawCall called = next_call(peer);
  const std::string large(8 << 20, 'x');
  std::optional<Result<Reply>> end;
  ASSERT_TRUE(client.submit("submitted", bytes_of(large),
                            [&](Result<Reply> reply) { end = std::move(reply); },
                            {.deadline = 1h}));
  client.process();
  ASSERT_FALSE(is_readable(client.fd(), 0ms));
  answer(peer, called.id);  // whose thread begins the other with the slot that is free now
  ASSERT_TRUE(caller.ends());
  std::thread reading([&] { answer(peer, read_whole(peer, "submitted")); });
  EXPECT_TRUE(is_readable(client.fd(), patience));  // there is room
  EXPECT_TRUE(process_until(client, [&] { return end.has_value(); }));
  reading.join();
  EXPECT_TRUE(end && *end);
}

TEST(WaitingForRoom, ThatTimesOutLeavesSubmittedCallsTheirConnection) {  // P1
  RawServer server;
  auto [client, peer] = server.connect();
  std::optional<Result<Reply>> end;
  ASSERT_TRUE(client.submit("submitted", {}, [&](Result<Reply> reply) { end = std::move(reply); },
                            {.deadline = 1h}));
  const RawCall submitted = next_call(peer);
  const auto large = client.call("large", std::string(8 << 20, 'x'), {.deadline = 50ms});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().cause(), Cause::deadline);
  answer(peer, submitted.id, "answer");
  ASSERT_TRUE(process_until(client, [&] { return end.has_value(); }));
  EXPECT_EQ(or_exit(std::move(*end)).text(), "answer");
  EXPECT_EQ(client.reconnects(), 0u);
}

#ifdef TINCAN_SEAM

/// Has sent more whenever somebody is about to read.
class Flood : public os::Seam {
 public:
  explicit Flood(RawPeer& peer) : peer_(peer) {}
  int before(os::Call call, std::size_t*) override {
    if (call != os::Call::recv || sent == enough) return 0;
    ++sent;
    peer_.send(RawPeer::frame({.body_bytes = 0,
                               .kind = wire::Kind::cancel,
                               .flags = 0,
                               .descriptors = 0,
                               .id = wire::CallId{.slot = 0, .sequence = sent}.value()}));
    return 0;
  }
  static constexpr std::uint64_t enough = 10'000;
  std::uint64_t sent = 0;

 private:
  RawPeer& peer_;
};

TEST(Process, ReturnsThoughTheServerNeverStopsSending) {  // P5
  RawServer server;
  auto [client, peer] = server.connect();
  ASSERT_GE(client.fd(), 0);
  Flood flood(peer);
  {
    const Installed installed(flood);
    client.process();
    EXPECT_LT(flood.sent, 100u);
  }
  EXPECT_TRUE(is_readable(client.fd(), 0ms));
}

#endif

}  // namespace

}  // namespace tincan::test
