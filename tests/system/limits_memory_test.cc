// What a server's memory, descriptors and CPU cost at most, measured from outside (promises 4, 15).

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_directory.h"
#include "system/raw_peer.h"
#include "system/server_process.h"
#include "tincan/client.h"

namespace tincan::test {

namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

std::size_t resident_bytes(const Process& process) {
  std::ifstream statm("/proc/" + std::to_string(process.pid()) + "/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::chrono::milliseconds cpu_time(const Process& process) {
  std::ifstream stat("/proc/" + std::to_string(process.pid()) + "/stat");
  std::string text(std::istreambuf_iterator<char>(stat), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  long user = 0;
  long system = 0;
  fields >> user >> system;
  return (user + system) * 1000ms / ::sysconf(_SC_CLK_TCK);
}

std::size_t descriptors_of(const Process& process) {
  const std::string folder = "/proc/" + std::to_string(process.pid()) + "/fd";
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/// How many connections both sides can have, at most 10,000: RLIMIT_NOFILE is raised as far as it
/// goes.
std::size_t many_connections() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::size_t>(10'000, limit.rlim_cur - 200);
}

const ServerOptions roomy{.connections_max = 20'000,
                          .connections_per_uid_max = 20'000,
                          .handshake_deadline = std::chrono::hours(1)};

/// Waits until the server has taken everything that was sent to it.
void settle(Client& witness) { EXPECT_TRUE(witness.call("tincan.ping", "", {.deadline = 20s})); }

TEST(Memory, OfAnIdleConnectionIsAtMostAKibibyte) {  // P4
  if (sanitized) GTEST_SKIP() << "a sanitizer's own memory is no measure";
  const std::size_t count = many_connections();
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {}, roomy);
  Client witness = or_exit(Client::connect(directory / "s"));
  settle(witness);
  const std::size_t before = resident_bytes(server);
  std::vector<RawPeer> peers;
  for (std::size_t i = 0; i < count; ++i) {
    peers.emplace_back(directory / "s");
    ASSERT_TRUE(peers.back().greet());
    ASSERT_TRUE(peers.back().send(RawPeer::call(1, 0, "tincan.ping")));
  }
  for (RawPeer& peer : peers) ASSERT_TRUE(peer.read(wire::Kind::reply));
  settle(witness);
  const std::size_t growth = resident_bytes(server) - before;
  EXPECT_LE(growth, count * 1024) << growth / count << " bytes each of " << count;
  RecordProperty("bytes_each", static_cast<int>(growth / count));
}

TEST(Memory, OfAHeaderThatClaimsTheMaximumIsSmall) {  // P4, attack 1
  if (sanitized) GTEST_SKIP() << "a sanitizer's own memory is no measure";
  const std::size_t count = many_connections();
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {}, roomy);
  Client witness = or_exit(Client::connect(directory / "s"));
  settle(witness);
  const std::size_t before = resident_bytes(server);
  // Half of them claim the largest frame and send its header; half claim the largest payload and
  // send the first fragment, with one byte of it.
  const auto header = RawPeer::frame({.body_bytes = limits::fragment_bytes_max,
                                      .kind = wire::Kind::call,
                                      .id = wire::CallId{.slot = 0, .sequence = 1}.value()});
  const auto fragment =
      RawPeer::call(1, 0, "tincan.ping", "x", wire::flag_more, limits::payload_bytes_max);
  std::vector<RawPeer> peers;
  for (std::size_t i = 0; i < count; ++i) {
    peers.emplace_back(directory / "s");
    ASSERT_TRUE(peers.back().greet());
    ASSERT_TRUE(peers.back().send(i % 2 == 0 ? header : fragment));
  }
  settle(witness);
  const std::size_t growth = resident_bytes(server) - before;
  EXPECT_LE(growth, count * 16 * 1024) << growth / count << " bytes each of " << count;
  RecordProperty("bytes_each", static_cast<int>(growth / count));
}

/// The memory that `server` comes to while `count` new connections have each sent a call without
/// its last byte. They send that too, and stay.
std::size_t resident_with_frames_in_pieces(const std::string& path, const Process& server,
                                           Client& witness, std::size_t count,
                                           std::vector<RawPeer>& peers) {
  const auto call = RawPeer::call(2, 0, "tincan.ping", std::string(60'000, 'x'));
  const RawPeer::Bytes beginning(call.begin(), call.end() - 1);
  const std::size_t first = peers.size();
  for (std::size_t i = 0; i < count; ++i) {
    RawPeer& peer = peers.emplace_back(path);
    EXPECT_TRUE(peer.greet());
    EXPECT_TRUE(peer.send(RawPeer::call(1, 0, "tincan.ping")));
    EXPECT_TRUE(peer.read(wire::Kind::reply));
    EXPECT_TRUE(peer.send(beginning));
  }
  settle(witness);
  const std::size_t resident = resident_bytes(server);
  for (RawPeer& peer : std::span(peers).subspan(first)) {
    EXPECT_TRUE(peer.send({call.back()}));
    EXPECT_TRUE(peer.read(wire::Kind::reply));
  }
  return resident;
}

TEST(Memory, OfAFrameThatCameInPiecesIsFreeForOthersOnceItIsWhole) {  // P4
  if (sanitized) GTEST_SKIP() << "a sanitizer's own memory is no measure";
  constexpr std::size_t count = 200;
  const TemporaryDirectory directory;
  auto server = start_server(directory / "s", [](Server&) {}, roomy);
  Client witness = or_exit(Client::connect(directory / "s"));
  settle(witness);
  const std::size_t before = resident_bytes(server);
  std::vector<RawPeer> peers;
  const auto use = [&] {
    return resident_with_frames_in_pieces(directory / "s", server, witness, count, peers);
  };
  const std::size_t first = use();
  ASSERT_GE(first - before, count * 50'000) << "the pieces were not held";
  // malloc may keep what is free, so it is not seen to go, but to serve others.
  EXPECT_LE(use(), first + count * 10'000);
}

TEST(Memory, OfAnswersThatNobodyReadsIsBoundedWhateverSizeTheClientTakes) {  // P4
  if (sanitized) GTEST_SKIP() << "a sanitizer's own memory is no measure";
  constexpr std::uint16_t count = 4;
  const TemporaryDirectory directory;
  const std::string large(2 * limits::payload_bytes_max, 'x');
  auto server =
      start_server(directory / "s",
                   [&](Server& served) { served.on("large", [&](Request r) { r.reply(large); }); },
                   {.outgoing_bytes_max = 1024 * 1024});
  Client witness = or_exit(Client::connect(directory / "s"));
  settle(witness);
  const std::size_t before = resident_bytes(server);
  std::vector<RawPeer> peers;
  for (std::uint16_t i = 0; i < count; ++i) {
    peers.emplace_back(directory / "s");
    ASSERT_TRUE(peers.back().greet(0, 0, std::uint64_t{1} << 32));
    ASSERT_TRUE(peers.back().send(RawPeer::call(1, 0, "large")));
  }
  EXPECT_TRUE(eventually([&] {
    const auto stats = witness.call("tincan.stats");
    return stats && stats->text().find("errors 4\n") != std::string::npos;
  }));
  const std::size_t growth = resident_bytes(server) - before;
  EXPECT_LE(growth, large.size() / 4) << growth / count << " bytes each of " << count;
}

TEST(Memory, IsBackAtItsBaseAfterAThousandConnections) {  // P4, P12
  const TemporaryDirectory directory;
  auto server = start_server(
      directory / "s",
      [](Server& served) { served.on("echo", [](Request r) { r.reply(r.payload()); }); }, roomy);
  Client witness = or_exit(Client::connect(directory / "s", {.transport = Transport::socket}));
  const std::string payload(200'000, 'x');
  const auto churn = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      Client client = or_exit(Client::connect(directory / "s"));
      ASSERT_TRUE(client.call("echo", payload, {.deadline = 20s}));
      // Some go with an answer under way.
      RawPeer rude(directory / "s");
      rude.greet();
      rude.send(RawPeer::call(1, 0, "echo", std::string(1000, 'x')));
    }
  };
  settle(witness);
  const std::size_t descriptors = descriptors_of(server);
  // A connection is counted no more a moment before the loop, at the end of its turn, closes it.
  const auto is_alone = [&] {
    const auto stats = witness.call("tincan.stats");
    return stats && stats->text().find("connections 1\n") != std::string::npos &&
           descriptors_of(server) == descriptors;
  };
  churn(100);
  ASSERT_TRUE(eventually(is_alone)) << descriptors_of(server) << " not " << descriptors;
  const std::size_t memory = resident_bytes(server);
  churn(400);
  ASSERT_TRUE(eventually(is_alone)) << descriptors_of(server) << " not " << descriptors;
  EXPECT_LE(resident_bytes(server), memory + (sanitized ? 512 : 1) * 1024 * 1024);
}

TEST(Shortage, OfDescriptorsAtTheServerBurnsNoCpuAndPasses) {  // P15, attack 9
  if (sanitized) GTEST_SKIP() << "UBSan looks at addresses through a pipe: it needs descriptors";
  const TemporaryDirectory directory;
  ServerOptions options;
  options.log = [](std::string_view line) {
    std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
    std::fflush(stdout);
  };
  auto server = Process::fork([&] {
    const rlimit limit{40, 40};
    ::setrlimit(RLIMIT_NOFILE, &limit);
    return serve(directory / "s", [](Server&) {}, options);
  });
  ASSERT_TRUE(server.wait_for_output("ready"));
  Client early = or_exit(Client::connect(directory / "s"));
  std::vector<RawPeer> crowd;
  for (int i = 0; i < 60; ++i) {
    crowd.emplace_back(directory / "s");
    crowd.back().greet();
  }
  // The log has a line for each rest of 100 ms: five of them are half a second of shortage.
  const auto rests = [&] {
    std::size_t count = 0;
    const std::string& text = server.output();
    for (std::size_t at = text.find("accepting rests"); at != std::string::npos;
         at = text.find("accepting rests", at + 1)) {
      ++count;
    }
    return count;
  };
  ASSERT_TRUE(eventually([&] { return rests() >= 1; })) << server.output();
  const std::size_t rested = rests();
  const auto cpu = cpu_time(server);
  EXPECT_TRUE(early.call("tincan.ping", "", {.deadline = 10s}));  // who is in is served
  ASSERT_TRUE(eventually([&] { return rests() >= rested + 5; }));
  EXPECT_LT(cpu_time(server) - cpu, 200ms);
  crowd.clear();
  EXPECT_TRUE(Client::connect(directory / "s", {.connect_deadline = 10s}));
}

}  // namespace

}  // namespace tincan::test
