// A server whose allocations fail, one after the other: the first of a conversation, then the
// second, and so on. Whichever it is, it costs that conversation at the most: another client is
// served, and memory is not mixed up. Started by shortage_test.cc.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <thread>

#include "support/temporary_directory.h"
#include "system/raw_peer.h"
#include "tincan/tincan.h"

namespace {

thread_local bool of_server = false;
std::atomic<long> left = 0;  ///< 0: none fails.
std::atomic<bool> failed = false;

bool fails() {
  if (!of_server || left == 0 || --left != 0) return false;
  failed = true;
  return true;
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

void* operator new(std::size_t size) {
  void* const memory = fails() ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

#else

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_realloc(void*, std::size_t);
void* malloc(std::size_t size) { return fails() ? nullptr : __libc_malloc(size); }
void* realloc(void* old, std::size_t size) { return fails() ? nullptr : __libc_realloc(old, size); }
}

#endif

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
  server.on("release", [&](Request request) {
    for (Request& one : std::exchange(held, {})) one.reply("released");
    request.reply();
  });
  std::thread loop([&] {
    of_server = true;
    or_exit(server.run());
  });
  Client witness = or_exit(Client::connect(path));
  long tried = 0;
  do {
    failed = false;
    left = ++tried;
    const bool conversed = converse(path);
    left = 0;
    const auto reply = witness.call("tincan.ping", "", {.deadline = test::patience});
    if (!conversed || !reply) {
      std::printf("allocation %ld: %s\n", tried, reply ? "a call hangs" : "the witness suffers");
      std::fflush(stdout);
      std::_Exit(1);
    }
  } while (failed);
  if (witness.reconnects() != 0) std::printf("the witness lost its connection\n");
  server.stop();
  loop.join();
  held.clear();
  std::printf("%s\n", tried > 10 ? "served" : "nothing failed");
  return 0;
}

}  // namespace

int main() { return run(); }
