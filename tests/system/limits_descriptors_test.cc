// What the kernel allows one user to have under way: unix(7), ETOOMANYREFS (attack 8). Root is
// exempt, so these tests run as somebody else.

#include <sys/resource.h>
#include <unistd.h>

#include "support/temporary_directory.h"
#include "support/user.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/server_process.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

/// Descriptors that were sent and not received, more than this process's limit.
class UnderWay {
 public:
  UnderWay() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    reader_.reset(ends[0]);
    RawPeer writer{Descriptor(ends[1])};
    const std::vector<int> many(limits::message_descriptors_max, 0);
    while (writer.send_with({std::byte{0}}, many)) {
    }
    EXPECT_EQ(errno, ETOOMANYREFS);
  }

 private:
  Descriptor reader_;
};

void lower_the_limit() {
  const rlimit limit{300, 300};
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(Shortage, OfDescriptorsUnderWayHoldsAnAnswerUpAndPasses) {  // P15
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  const TemporaryDirectory directory;
  ASSERT_EQ(::chown(directory.path().c_str(), stranger, stranger), 0);
  auto server = Process::fork([&] {
    if (!become(stranger)) return 126;
    lower_the_limit();
    return serve(directory / "s", [](Server& served) {
      const auto under_way = std::make_shared<std::optional<UnderWay>>();
      served.on("fill", [=](Request request) { under_way->emplace(), request.reply(); });
      served.on("empty", [=](Request request) { under_way->reset(), request.reply(); });
      served.on("give", [](Request request) {
        std::vector<Descriptor> one;
        one.emplace_back(::dup(0));
        request.reply({}, one);
      });
    });
  });
  ASSERT_TRUE(server.wait_for_output("ready")) << server.output();
  const ClientOptions options{.server_uid = stranger, .descriptors_max = 1};
  Client client = or_exit(Client::connect(directory / "s", options));
  Client other = or_exit(Client::connect(directory / "s", options));
  ASSERT_TRUE(other.call("fill"));
  std::optional<std::size_t> arrived;
  ASSERT_TRUE(client.submit(
      "give", {},
      [&](Result<Reply> reply) { arrived = or_exit(std::move(reply)).descriptors().size(); },
      {.deadline = 20s}));
  ASSERT_TRUE(other.call("tincan.ping"));  // who needs no descriptors is served
  client.process();
  EXPECT_FALSE(arrived);
  ASSERT_TRUE(other.call("empty"));
  ASSERT_TRUE(process_until(client, [&] { return arrived.has_value(); }));
  EXPECT_EQ(*arrived, 1u);
}

TEST(Shortage, OfDescriptorsUnderWayHoldsACallUpNoLongerThanItsDeadline) {  // P3, P15
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  const TemporaryDirectory directory(0755);
  auto server = start_server(
      directory / "s",
      [](Server& served) { served.on("take", [](Request request) { request.reply("taken"); }); },
      {.mode = 0666, .descriptors_max = 1});
  const int status = run_as(other_stranger, [&] {
    lower_the_limit();
    Client client = or_exit(Client::connect(directory / "s"));
    std::vector<Descriptor> one;
    one.emplace_back(::dup(0));
    {
      const UnderWay under_way;
      const auto held_up = client.call("take", "", {.deadline = 50ms, .descriptors = one});
      if (held_up || held_up.error().outcome() != Outcome::not_sent) return 1;
      if (held_up.error().cause() != Cause::deadline) return 2;
    }
    return client.call("take", "", {.deadline = 10s, .descriptors = one}) ? 0 : 3;
  });
  EXPECT_EQ(status, 0);
}

}  // namespace

}  // namespace tincan::test
