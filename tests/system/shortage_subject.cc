// A server whose allocations fail, one after the other: the first of a conversation, then the
// second, and so on. Whichever it is, it costs that conversation at the most: another client is
// served, and memory is not mixed up. Started by shortage_test.cc.

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "support/temporary_directory.h"
#include "system/failing_allocations.h"
#include "system/raw_peer.h"
#include "tincan/tincan.h"

namespace {

using namespace tincan;
using test::RawPeer;

/// Everything a client may ask for. True: each call was answered, or the connection has ended.
bool converse(const std::string& path) {
  RawPeer peer(path);
  if (peer.fd() < 0 || !peer.greet()) return true;
  const std::string half(60'000, 'x');
  RawPeer::Bytes bytes;
  std::uint64_t sequence = 0;
  std::uint16_t slot = 0;
  std::size_t awaited = 0;
  const auto add = [&](const RawPeer::Bytes& frame) {
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  };
  for (const char* method : {"echo", "drop", "throw", "refuse", "no.such.method", "hold", "release",
                             "a.method.whose.name.is.longer.than.a.small.string"}) {
    add(RawPeer::call(++sequence, slot++, method, "payload"));
    ++awaited;
  }
  add(RawPeer::call(++sequence, wire::CallId::no_slot, "drop", "one way", wire::flag_one_way));
  add(RawPeer::call(++sequence, slot, "echo", half, wire::flag_more, 2 * half.size()));
  const wire::CallId large{.slot = slot, .sequence = sequence};
  add(RawPeer::frame({.body_bytes = static_cast<std::uint32_t>(half.size()),
                      .kind = wire::Kind::call,
                      .flags = wire::flag_continued,
                      .id = large.value()},
                     RawPeer::Bytes(half.size())));
  ++awaited;
  if (!peer.send(bytes)) return true;
  while (awaited > 0) {
    const auto frame = peer.read();
    if (!frame) return peer.is_closed();
    const bool last = (frame->header.flags & wire::flag_more) == 0;
    const bool answer =
        frame->header.kind == wire::Kind::reply || frame->header.kind == wire::Kind::error;
    if (answer && frame->header.id == 0) return peer.is_closed();
    awaited -= answer && last;
  }
  return true;
}

/// Takes and gives what is handed over: when it leaves, the server holds some of both.
Result<Client> lend(const std::string& path) {
  ClientOptions options;
  options.views_max = 8;
  options.shared_views = true;
  options.deadline = test::patience;
  options.transport = Transport::socket;
  auto client = Client::connect(path, options);
  if (!client) return client;
  [[maybe_unused]] const auto lent = client->call("lend");
  for (int i = 0; i < 3; ++i) {
    auto loan = client->loan(200'000);
    if (!loan) continue;
    [[maybe_unused]] const auto sent = client->send("hold", std::move(*loan));
  }
  return client;
}

/// Of a call that has nothing to do with it.
bool is_well(Client& witness, const char* during, long n) {
  if (witness.call("release", "", {.deadline = test::patience})) return true;
  std::printf("%s, allocation %ld: the witness suffers\n", during, n);
  std::fflush(stdout);
  std::_Exit(1);
}

/// Also when there is no memory at all while what was handed over goes.
void lend_all(const std::string& path, const Server& server, Client& witness) {
  long tried = 0;
  do {
    test::fail_allocation(++tried);
    [[maybe_unused]] const auto client = lend(path);
    test::fail_no_allocation();
  } while (is_well(witness, "loans", tried) && test::allocation_failed);
  auto client = lend(path);
  test::fail_allocation(1, true);
  client = std::unexpected(Failure(Cause::closed));
  const bool ended = test::eventually([&] { return server.counts().connections == 1; });
  test::fail_no_allocation();
  if (!ended) std::printf("a connection has not ended\n");
}

int run() {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "s";
  ServerOptions options;
  options.log = [](std::string_view) {};
  Server server = or_exit(Server::listen(path, options));
  std::vector<Request> held;
  server.on("echo", [](Request request) { request.reply(request.payload()); });
  server.on("drop", [](Request) {});
  server.on("throw", [](Request) { throw std::runtime_error(std::string(100, 't')); });
  server.on("refuse", [](Request request) { request.fail("refused"); });
  server.on("hold", [&](Request request) { held.push_back(std::move(request)); });
  server.on("lend", [&](Request request) {
    auto loan = request.loan(1 << 20, Handover::shared_view);
    loan ? request.reply(std::move(*loan)) : request.fail(loan.error().detail());
  });
  server.on("release", [&](Request request) {
    for (Request& one : std::exchange(held, {})) one.reply("released");
    request.reply();
  });
  std::thread loop([&] {
    test::allocations_may_fail = true;
    or_exit(server.run());
  });
  Client witness = or_exit(Client::connect(path));
  long tried = 0;
  do {
    test::fail_allocation(++tried);
    const bool conversed = converse(path);
    test::fail_no_allocation();
    if (!conversed) std::printf("allocation %ld: a call hangs\n", tried);
  } while (is_well(witness, "calls", tried) && test::allocation_failed);
  lend_all(path, server, witness);
  if (witness.reconnects() != 0) std::printf("the witness lost its connection\n");
  server.stop();
  loop.join();
  held.clear();
  std::printf("%s\n", tried > 10 ? "served" : "nothing failed");
  return 0;
}

}  // namespace

int main() { return run(); }
