// Counts allocations in steady state, of a client and its server together, and prints them: one
// line a kind of call. The C library's allocator is replaced by one that counts (malloc(3) permits
// that), so nothing escapes, whichever way it was allocated. Started by allocation_test.cc.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "support/temporary_directory.h"
#include "system/raw_peer.h"
#include "tincan/tincan.h"

namespace {
std::atomic<unsigned long> allocations = 0;
}

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) {
  return ++allocations, __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) { return ++allocations, __libc_realloc(old, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return ++allocations, __libc_memalign(alignment, size);
}
}

namespace {

using namespace tincan;

/// Runs `step` until buffers have grown, then counts what some more of them allocate. A buffer that
/// grows when something comes in pieces for the first time, on a busy machine, is not the steady
/// state: what is, is in every one of three counts.
template <class Step>
void count(const std::string& name, Step step) {
  for (int i = 0; i < 3000; ++i) step();
  unsigned long least = ~0ul;
  for (int attempt = 0; attempt < 3 && least > 0; ++attempt) {
    const unsigned long before = allocations;
    for (int i = 0; i < 3000; ++i) step();
    least = std::min(least, allocations - before);
  }
  std::printf("%s %lu\n", name.c_str(), least);
}

/// A call of `payload`, written in two halves. Between them the server's only loop turns.
class CallInHalves {
 public:
  CallInHalves(const std::string& path, const std::string& payload)
      : peer_(path), bytes_(test::RawPeer::call(0, 0, "echo", payload)), reply_(bytes_.size()) {
    if (!peer_.greet()) std::abort();
  }
  void operator()(Client& client) {
    const std::uint64_t id = wire::CallId{.slot = 0, .sequence = ++sequence_}.value();
    std::memcpy(bytes_.data() + offsetof(wire::FrameHeader, id), &id, sizeof id);
    const std::size_t half = bytes_.size() / 2;
    ::send(peer_.fd(), bytes_.data(), half, MSG_NOSIGNAL);
    or_exit(client.call("tincan.ping"));
    ::send(peer_.fd(), bytes_.data() + half, bytes_.size() - half, MSG_NOSIGNAL);
    if (::recv(peer_.fd(), reply_.data(), reply_.size(), 0) <= 0) std::abort();
  }

 private:
  test::RawPeer peer_;
  std::uint64_t sequence_ = 0;
  test::RawPeer::Bytes bytes_;
  std::vector<std::byte> reply_;
};

/// Of calls and messages, each kind of them named after what carries them.
void count_calls(Client& client, const std::string& carrier) {
  const std::string small(1000, 'x');
  const std::string whole_frame(60'000, 'x');
  const CallOptions options{.deadline = std::chrono::seconds(10)};
  count(carrier + ": empty call", [&] { or_exit(client.call("echo", "", options)); });
  count(carrier + ": small call", [&] { or_exit(client.call("echo", small, options)); });
  count(carrier + ": large call", [&] { or_exit(client.call("echo", whole_frame, options)); });
  count(carrier + ": send", [&] {
    or_exit(client.send("take", small, options));
    or_exit(client.call("echo", "", options));  // so that the server keeps up
  });
  Sender sender = or_exit(client.sender("take all", options));
  count(carrier + ": batch", [&] {
    for (int i = 0; i < 10; ++i) or_exit(sender.add(small));
    or_exit(sender.flush());
    or_exit(client.call("echo", "", options));
  });
  count(carrier + ": loan", [&] {
    Loan loan = or_exit(client.loan(100'000, Handover::shared_view));
    or_exit(client.call("echo_size", std::move(loan), options));
  });
  count(carrier + ": lent reply", [&] { or_exit(client.call("lend", "", options)); });
}

}  // namespace

int main() {
  const unsigned long before = allocations;
  [[maybe_unused]] void* volatile seen = std::malloc(1);  // shows that the counting works
  std::free(seen);
  std::printf("control %lu\n", allocations - before);

  const test::TemporaryDirectory directory;
  Server server = or_exit(Server::listen(directory / "s", {.shared_views_from = AllowList()}));
  server.on("lend", [](Request request) {
    request.reply(or_exit(request.loan(100'000, Handover::shared_view)));
  });
  server.on("echo_size", [](Request request) {
    const std::size_t bytes = request.payload().size();
    request.reply(std::as_bytes(std::span(&bytes, 1)));
  });
  server.on("echo", [](Request request) { request.reply(request.payload()); });
  server.on("take", [](Request) {});
  server.on_batch("take all", [](const Batch&) {});
  std::thread loop([&] { or_exit(server.run()); });
  Client client = or_exit(Client::connect(
      directory / "s", {.transport = Transport::socket, .views_max = 4, .shared_views = true}));
  count_calls(client, "socket");
  CallInHalves in_halves(directory / "s", std::string(1000, 'x'));
  count("socket: call in halves", [&] { in_halves(client); });
  Client over_ring = or_exit(Client::connect(
      directory / "s", {.ring_after_calls = 1, .views_max = 4, .shared_views = true}));
  while (over_ring.ring_bytes() == 0) or_exit(over_ring.call("echo"));
  count_calls(over_ring, "ring");
  if (over_ring.ring_bytes() == 0) std::printf("the ring has gone\n");
  server.stop();
  loop.join();
}
