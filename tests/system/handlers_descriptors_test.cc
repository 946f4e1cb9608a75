// Descriptors that travel with calls and replies (promise 12).

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "support/process.h"
#include "system/polling.h"
#include "system/raw_peer.h"
#include "system/running_server.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

/// `count` descriptors, each of a file of its own that says which it is.
std::vector<Descriptor> numbered_files(std::size_t count) {
  std::vector<Descriptor> files;
  for (std::size_t i = 0; i < count; ++i) {
    files.emplace_back(::memfd_create("numbered", MFD_CLOEXEC));
    EXPECT_EQ(::pwrite(files.back().get(), &i, sizeof i, 0), static_cast<ssize_t>(sizeof i));
  }
  return files;
}

/// How many of `files` are in their places.
std::size_t count_in_order(const std::vector<Descriptor>& files) {
  std::size_t right = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::size_t number = SIZE_MAX;
    if (::pread(files[i].get(), &number, sizeof number, 0) != sizeof number) continue;
    const bool closes_on_exec = (::fcntl(files[i].get(), F_GETFD) & FD_CLOEXEC) != 0;
    right += number == i && closes_on_exec;
  }
  return right;
}

void send_back(Request request) {
  const std::string count = std::to_string(count_in_order(request.descriptors()));
  request.reply(bytes_of(count), request.descriptors());
}

class Descriptors : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Descriptors, TravelBothWaysInOrderAndLeaveNoneBehind) {  // P12
  constexpr std::uint32_t most = limits::message_descriptors_max;
  const std::size_t count = GetParam();
  RunningServer server({.descriptors_max = most});
  server->on("back", send_back);
  server.run();
  Client client = server.connect({.descriptors_max = most});
  const auto files = numbered_files(count);
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 3; ++i) {
    Reply reply = or_exit(client.call("back", "", {.descriptors = files}));
    EXPECT_EQ(reply.text(), std::to_string(count));
    EXPECT_EQ(reply.descriptors().size(), count);
    EXPECT_EQ(count_in_order(reply.descriptors()), count);
  }
  // With a payload in many pieces, and without blocking.
  const std::string large(300'000, 'x');
  std::size_t arrived = SIZE_MAX;
  const auto take = [&](Result<Reply> reply) {
    arrived = count_in_order(or_exit(std::move(reply)).descriptors());
  };
  ASSERT_TRUE(client.submit("back", bytes_of(large), take, {.descriptors = files}));
  ASSERT_TRUE(process_until(client, [&] { return arrived != SIZE_MAX; }));
  EXPECT_EQ(arrived, count);
  const std::size_t of_the_loop = client.fd() >= 0 ? 2 : 0;
  EXPECT_TRUE(eventually([&] { return open_descriptors() == before + of_the_loop; }))
      << open_descriptors() << " descriptors, before " << before;
}

INSTANTIATE_TEST_SUITE_P(Counts, Descriptors, ::testing::Values(0, 1, 2, 16, 252, 253));

TEST(Descriptors, AreRefusedUnlessAskedFor) {  // P12, P13
  RunningServer server;
  server->on("take", [](Request request) {
    const std::vector<Descriptor> files = numbered_files(2);
    const auto replied = request.reply(bytes_of("two files"), files);
    EXPECT_FALSE(replied);
    EXPECT_EQ(replied.error().cause(), Cause::unsupported);
  });
  server.run();
  Client client = server.connect();
  const auto files = numbered_files(1);
  const auto sent = client.call("take", "", {.descriptors = files});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().cause(), Cause::unsupported);
  EXPECT_EQ(sent.error().outcome(), Outcome::not_sent);
  EXPECT_EQ(server->counts().calls, 0u);
  const auto unwanted = client.call("take");
  ASSERT_FALSE(unwanted);
  EXPECT_EQ(unwanted.error().outcome(), Outcome::declared);
  EXPECT_EQ(client.reconnects(), 0u);

  // Too many for one message is found before anything is sent.
  EXPECT_EQ(Client::connect(server.path(), {.descriptors_max = 254}).error().cause(), Cause::usage);
  const TemporaryDirectory directory;
  EXPECT_EQ(Server::listen(directory / "s", {.descriptors_max = 254}).error().cause(),
            Cause::usage);
}

TEST(Descriptors, ThatNobodyAskedForAreClosedUnseen) {  // P12, attack 5
  RunningServer server;
  server->on("count",
             [](Request request) { request.reply(std::to_string(request.descriptors().size())); });
  server.run();
  RawPeer peer(server.path());
  ASSERT_TRUE(peer.greet());
  const auto files = numbered_files(1);
  const std::vector<int> many(limits::message_descriptors_max, files[0].get());
  const std::size_t before = open_descriptors();
  for (std::uint64_t i = 1; i <= 200; ++i) {
    ASSERT_TRUE(peer.send_with(RawPeer::call(i, 0, "count"), many));
    const auto reply = peer.read(wire::Kind::reply);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->payload(), "0");
  }
  EXPECT_TRUE(eventually([&] { return open_descriptors() <= before + 1; }));
}

TEST(Descriptors, OfAnotherNumberThanAnnouncedCloseTheConnection) {  // P12
  RunningServer server({.descriptors_max = 8});
  server->on("take", [](Request request) { request.reply(); });
  server.run();
  const auto files = numbered_files(1);
  const int file = files[0].get();
  struct Case {
    std::uint16_t announced;
    std::vector<int> sent;
  };
  const std::size_t before = open_descriptors();
  for (const Case& lie : {Case{2, {file}}, Case{1, {file, file}}, Case{1, {}}, Case{9, {}}}) {
    RawPeer peer(server.path());
    ASSERT_TRUE(peer.greet());
    const auto call = RawPeer::call(1, 0, "take", "", 0, {}, lie.announced);
    ASSERT_TRUE(lie.sent.empty() ? peer.send(call) : peer.send_with(call, lie.sent));
    EXPECT_TRUE(peer.is_closed()) << lie.announced << " announced, " << lie.sent.size() << " sent";
  }
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 0; }));
  EXPECT_EQ(server->counts().breaches, 4u);
  EXPECT_EQ(server->counts().calls, 0u);
  EXPECT_TRUE(eventually([&] { return open_descriptors() == before; }));
}

/// Descriptors that arrive on `socket` until its end.
std::size_t count_arriving(int socket) {
  std::size_t count = 0;
  while (true) {
    std::byte bytes[65536];
    iovec piece{bytes, sizeof bytes};
    alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return count;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      const std::size_t numbers = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < numbers; ++i) {
        int number;
        std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
        ::close(number);
      }
      count += numbers;
    }
  }
}

TEST(Descriptors, OfAnAnswerComeWithItAlsoWhenTheConnectionIsSentAway) {  // P12
  const auto files = numbered_files(3);
  RunningServer server;
  server->on("give", [&](Request request) { request.reply({}, files); });
  server.run();
  RawPeer peer(server.path());
  RawPeer::Bytes bytes = RawPeer::call(1, 0, "give");
  const auto breach = RawPeer::frame({.kind = wire::Kind::push});
  bytes.insert(bytes.end(), breach.begin(), breach.end());
  ASSERT_TRUE(peer.greet(8));
  ASSERT_TRUE(peer.send(bytes));
  EXPECT_EQ(count_arriving(peer.fd()), 3u);
}

TEST(Descriptors, OfStrangeKindsPassUntouched) {  // attack 6
  RunningServer server({.descriptors_max = 8});
  server->on("back", [](Request request) { request.reply({}, request.descriptors()); });
  server.run();
  Client client = server.connect({.descriptors_max = 8});
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  std::vector<Descriptor> odd;
  odd.emplace_back(ends[0]);
  odd.emplace_back(ends[1]);
  odd.emplace_back(::open("/", O_PATH | O_CLOEXEC));
  odd.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  odd.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Reply reply = or_exit(client.call("back", "", {.descriptors = odd}));
  ASSERT_EQ(reply.descriptors().size(), odd.size());
  for (std::size_t i = 0; i < odd.size(); ++i) {
    struct stat sent, came;
    ASSERT_EQ(::fstat(odd[i].get(), &sent), 0);
    ASSERT_EQ(::fstat(reply.descriptors()[i].get(), &came), 0);
    EXPECT_EQ(sent.st_ino, came.st_ino);
  }
}

/// Leaves this process, a child, `spare` free descriptors.
void leave_descriptors(std::size_t spare) {
  const rlimit limit{64, 64};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::vector<int> taken;
  for (int one = ::dup(0); one >= 0; one = ::dup(0)) taken.push_back(one);
  for (std::size_t i = 0; i < spare && i < taken.size(); ++i) ::close(taken[i]);
}

TEST(Descriptors, WithoutRoomForAllOfThemCostTheConnectionAndNothingElse) {  // P12, P15, attack 7
  RunningServer server({.descriptors_max = 8});
  server->on("give", [](Request request) {
    const auto files = numbered_files(8);
    request.reply({}, files);
  });
  server.run();
  auto child = Process::fork([&] {
    Client client = or_exit(Client::connect(server.path(), {.descriptors_max = 8}));
    leave_descriptors(3);
    const auto short_of_room = client.call("give");
    if (short_of_room || short_of_room.error().cause() != Cause::exhausted) return 1;
    if (short_of_room.error().outcome() != Outcome::unknown) return 2;
    for (int i = 3; i < 64; ++i) ::close(i);  // the client's own is closed already
    return 0;
  });
  EXPECT_EQ(child.wait(), 0) << child.output();
  Client client = server.connect({.descriptors_max = 8});
  EXPECT_EQ(or_exit(client.call("give")).descriptors().size(), 8u);
}

}  // namespace

}  // namespace tincan::test
