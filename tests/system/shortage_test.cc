// Lack of memory costs the connection concerned, and nobody else (promises 15 and 16).

#include <sys/resource.h>

#include <thread>

#include "support/process.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"
#include "system/server_process.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t megabyte = 1'000'000;

TEST(Memory, ThatCannotBeHadCostsOneConnectionWhicheverAllocationFails) {  // P15, P16, attack 47
  auto subject = Process::run({binary("tests/shortage_subject")});
  ASSERT_EQ(subject.wait(100s), 0) << subject.output();
  EXPECT_EQ(subject.output(), "served\n");
}

TEST(Memory, ThatTheThreadBesideTheLoopCannotHaveCostsOneAnswer) {  // P15, P16, attack 47
  auto subject = Process::run({binary("tests/sealing_shortage_subject")});
  ASSERT_EQ(subject.wait(100s), 0) << subject.output();
  EXPECT_EQ(subject.output(), "served\n");
}

TEST(Memory, ThatAClientCannotHaveEndsCallsAndLeavesItWhole) {  // P15, P16, attack 47
  auto subject = Process::run({binary("tests/client_shortage_subject")});
  ASSERT_EQ(subject.wait(100s), 0) << subject.output();
  EXPECT_EQ(subject.output(), "went on\n");
}

TEST(Memory, ThatAClientOverARingCannotHaveEndsCallsAndLeavesItWhole) {  // P15, P16
  auto subject = Process::run({binary("tests/client_shortage_subject")},
                              [] { ::setenv("TINCAN_TEST_RINGS", "1", 1); });
  ASSERT_EQ(subject.wait(100s), 0) << subject.output();
  EXPECT_EQ(subject.output(), "went on\n");
}

TEST(Memory, ThatRunsOutUnderLargeCallsLeavesTheServerRunning) {  // P15, attack 47
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs all addresses";
#endif
  const TemporaryDirectory directory;
  auto server = Process::fork([&] {
    const rlimit limit{200 * megabyte, 200 * megabyte};
    ::setrlimit(RLIMIT_AS, &limit);
    return serve(directory / "s", [](Server& served) { served.on("take", [](Request) {}); });
  });
  ASSERT_TRUE(server.wait_for_output("ready"));
  Client witness = or_exit(Client::connect(directory / "s"));
  const std::string fragment(limits::fragment_bytes_max, 'x');
  std::vector<RawPeer> peers;
  for (int i = 0; i < 4; ++i) {  // as much as the budget of one user lets in
    RawPeer& peer = peers.emplace_back(directory / "s");
    ASSERT_TRUE(peer.greet());
    peer.send(RawPeer::call(1, 0, "take", "", wire::flag_more, limits::payload_bytes_max));
    const auto next = RawPeer::frame({.body_bytes = static_cast<std::uint32_t>(fragment.size()),
                                      .kind = wire::Kind::call,
                                      .flags = wire::flag_continued | wire::flag_more,
                                      .id = wire::CallId{.slot = 0, .sequence = 1}.value()},
                                     RawPeer::Bytes(fragment.size()));
    for (std::size_t sent = 0; sent + fragment.size() < limits::payload_bytes_max;
         sent += fragment.size()) {
      if (!peer.send(next)) break;
    }
  }
  EXPECT_TRUE(witness.call("tincan.ping", "", {.deadline = patience}));
  EXPECT_EQ(witness.reconnects(), 0u);
  EXPECT_TRUE(server.running()) << server.output();
}

const std::string two_megabytes(2 * megabyte, 'x');

class RequestBytes : public ::testing::Test {
 protected:
  RequestBytes() {
    server_->on("hold", [this](Request request) { held_.push_back(std::move(request)); });
    server_->on("release", [this](Request request) {
      for (Request& one : std::exchange(held_, {})) one.reply("released");
      request.reply();
    });
    server_.run();
  }
  ~RequestBytes() override { server_.end(); }
  /// Leaves a request of 2 MB with the server, which has room for one.
  void hold(Client& client) {
    const std::uint64_t before = server_->counts().calls;
    ASSERT_TRUE(client.submit("hold", std::as_bytes(std::span(two_megabytes)),
                              [this](const Result<Reply>& reply) {
                                if (reply) {
                                  ++answered_;
                                } else {
                                  failure_ = reply.error().explain();
                                }
                              },
                              {.deadline = 1h}));
    ASSERT_TRUE(eventually([&] {  // for what the client does not see
      client.process();
      return server_->counts().calls == before + 1 || !failure_.empty();
    }));
    ASSERT_EQ(failure_, "");
  }
  static void expect_exhausted(Client& client) {
    const auto refused = client.call("hold", two_megabytes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().cause(), Cause::exhausted);
    EXPECT_EQ(refused.error().outcome(), Outcome::not_sent);
  }

  std::vector<Request> held_;
  int answered_ = 0;
  std::string failure_;
  RunningServer server_{{.request_bytes_max = 3 * megabyte}};
};

TEST_F(RequestBytes, OfAllConnectionsTogetherAreBounded) {  // P4, P15
  Client one = server_.connect();
  Client other = server_.connect();
  hold(one);
  expect_exhausted(other);
  EXPECT_TRUE(other.call("tincan.ping", std::string(60'000, 'x')));  // a small call always may
  EXPECT_EQ(other.reconnects(), 0u);
  ASSERT_TRUE(other.call("release"));
  ASSERT_TRUE(process_until(one, [&] { return answered_ == 1; }));
  hold(other);
  ASSERT_TRUE(one.call("release"));
}

TEST_F(RequestBytes, ThatAHandlerHoldsCountAlsoWhenTheirConnectionHasGone) {  // P4
  Client other = server_.connect();
  {
    Client gone = server_.connect();
    hold(gone);
  }
  ASSERT_TRUE(eventually([&] { return server_->counts().connections == 1; }));
  expect_exhausted(other);
  ASSERT_TRUE(other.call("release"));
  hold(other);
  ASSERT_TRUE(other.call("release"));
}

TEST_F(RequestBytes, AreFreeAgainWhenACallIsGivenUpHalfWay) {
  RawPeer half(server_.path());
  ASSERT_TRUE(half.greet());
  ASSERT_TRUE(half.send(RawPeer::call(1, 0, "hold", "x", wire::flag_more, 2 * megabyte)));
  ASSERT_TRUE(half.send(RawPeer::call(2, 1, "tincan.ping")));
  ASSERT_TRUE(half.read(wire::Kind::reply));
  Client client = server_.connect();
  expect_exhausted(client);
  half.close();
  ASSERT_TRUE(eventually([&] { return server_->counts().connections == 1; }));
  hold(client);
  ASSERT_TRUE(client.call("release"));
}

}  // namespace

}  // namespace tincan::test
