// A client whose allocations fail: the first of a conversation, then the second, and so on; each
// alone, and then with all that follow it. Whichever it is, every call ends as a failure that says
// so, the calls of another thread go on, and once there is memory again so does the client. Started
// by shortage_test.cc.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "support/rounds.h"
#include "support/temporary_directory.h"
#include "system/failing_allocations.h"
#include "system/polling.h"
#include "tincan/tincan.h"

namespace {

using namespace tincan;

constexpr CallOptions patient{.deadline = test::patience};

/// What the conversation needs and must not allocate.
struct Materials {
  std::string path;
  Address address = or_exit(Address::parse(path));
  ClientOptions options = [] {
    ClientOptions with{.connect_deadline = test::patience, .descriptors_max = 1};
    if (std::getenv("TINCAN_TEST_RINGS") == nullptr) return with;
    with.transport = Transport::automatic;
    with.ring_after_calls = 2;
    with.ring_window = std::chrono::hours(1);
    return with;
  }();
  std::string small = std::string(1000, 's');
  std::string large = std::string(200'000, 'l');
  std::string wrong = std::string(limits::method_bytes_max + 1, 'm');
  std::vector<Descriptor> descriptors = [] {
    std::vector<Descriptor> one;
    one.emplace_back(::dup(0));
    return one;
  }();
};

const char* complaint = nullptr;
const char* step = nullptr;

void judge(const Failure& failure) {
  switch (failure.cause()) {
    case Cause::exhausted:  // of memory
    case Cause::declared:
    case Cause::no_method:
    case Cause::refused:
    case Cause::usage:
      return;
    default:
      complaint = name(failure.cause()).data();
  }
}

template <class T>
void judge(const Result<T>& result) {
  if (!result) judge(result.error());
}

/// Each kind of call that one waits for.
void call_all(Client& client, const Materials& with) {
  const CallOptions giving{.deadline = test::patience, .descriptors = with.descriptors};
  step = "a small call", judge(client.call("echo", with.small, patient));
  step = "a large call", judge(client.call("echo", with.large, patient));
  step = "a send", judge(client.send("drop", with.small, patient));
  step = "a refusal", judge(client.call("refuse", "", patient));
  step = "no method", judge(client.call("no.such.method", "", patient));
  step = "a rule", judge(client.call("forbidden", "", patient));
  step = "a wrong name", judge(client.call(with.wrong, "", patient));
  step = "descriptors", judge(client.call("give", "", giving));
}

/// The same for calls with a completion. False: they do not end.
bool submit_all(Client& client, const Materials& with) {
  const CallOptions giving{.deadline = test::patience, .descriptors = with.descriptors};
  int awaited = 0;
  const auto submit = [&](std::string_view method, std::string_view payload,
                          const CallOptions& options) {
    const auto submitted = client.submit(
        method, std::as_bytes(std::span(payload)),
        [&awaited](const Result<Reply>& reply) {
          --awaited;
          judge(reply);
        },
        options);
    judge(submitted);
    awaited += submitted.has_value();
  };
  step = "submitted calls";
  submit("echo", with.small, patient);
  submit("echo", with.large, patient);
  submit("refuse", "", patient);
  submit("no.such.method", "", patient);
  submit("forbidden", "", patient);
  submit("give", "", giving);
  return test::process_until(client, [&] { return awaited == 0; });
}

/// On a client of its own, from its first connection on.
void begin_and_end(const Materials& with) {
  step = "connecting";
  auto client = Client::connect(with.address, with.options);
  judge(client);
  if (!client) return;
  step = "fd()";
  [[maybe_unused]] const int fd = client->fd();
  if (!submit_all(*client, with)) complaint = "submitted calls hang";
}

void converse(Client& client, const Materials& with) {
  try {
    call_all(client, with);
    if (!submit_all(client, with)) complaint = "submitted calls hang";
    begin_and_end(with);
  } catch (const std::bad_alloc&) {
    complaint = "an exception";
  }
}

/// Another thread, which has all the memory it needs.
void keep_calling(Client& client, const std::atomic<bool>& ends, std::atomic<bool>& suffers) {
  while (!ends) {
    const auto reply = client.call("echo", "of another", patient);
    if (!reply && reply.error().cause() != Cause::exhausted) suffers = true;
  }
}

/// False once something is wrong, which it says.
bool is_well(Client& client, long n, bool lasting) {
  const auto reply = client.call("echo", "again", patient);
  if (complaint == nullptr && !reply) complaint = "the client has not recovered";
  if (complaint == nullptr) return true;
  std::printf("allocation %ld%s, %s: %s\n", n, lasting ? " and all that follow" : "", step,
              complaint);
  return false;
}

/// Of the client and of its server.
std::size_t descriptors_open() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

/// Descriptors are counted while the client has its ring, if it is to have one, and the server has
/// closed the descriptor that came with the move: it has when a call through the ring is answered.
bool has_ring(Client& client, const Materials& with) {
  if (with.options.transport == Transport::socket) return true;
  return client.call("echo", "for a ring", patient) && client.ring_bytes() > 0 &&
         client.call("echo", "through it", patient) && client.ring_bytes() > 0;
}

bool fail_each(Client& client, const Materials& with, bool lasting) {
  constexpr long stride = test::thread_sanitizer_slowness;
  long n = 1 - stride;
  do {
    test::fail_allocation(n += stride, lasting);
    test::allocations_may_fail = true;
    converse(client, with);
    test::allocations_may_fail = false;
    test::fail_no_allocation();
    if (!is_well(client, n, lasting)) return false;
  } while (test::allocation_failed);
  if (n < 50) std::printf("only %ld allocations\n", n);
  return n >= 50;
}

int run() {
  const test::TemporaryDirectory directory;
  const Materials materials{.path = directory / "s"};
  Server server = or_exit(Server::listen(materials.path, {.descriptors_max = 1}));
  server.on("echo", [](Request request) { request.reply(request.payload()); });
  server.on("drop", [](Request) {});
  server.on("refuse", [](Request request) { request.fail(std::string(100, 'r')); });
  server.on("give", [](Request request) { request.reply({}, request.descriptors()); });
  server.on("forbidden", [](Request) {}, {.uids = {54321}});
  std::thread loop([&] { or_exit(server.run()); });
  Client client = or_exit(Client::connect(materials.address, materials.options));
  if (client.fd() < 0) return 1;
  std::atomic<bool> ends = false;
  std::atomic<bool> suffers = false;
  std::thread other([&] { keep_calling(client, ends, suffers); });
  if (!test::eventually([&] { return has_ring(client, materials); })) return 1;
  const std::size_t descriptors = descriptors_open();
  bool well = fail_each(client, materials, false);
  well = well && fail_each(client, materials, true);
  ends = true;
  if (!well) std::fflush(stdout), std::_Exit(1);
  other.join();
  if (!test::eventually(
          [&] { return has_ring(client, materials) && descriptors_open() == descriptors; })) {
    std::printf("%zu descriptors were open, and are %zu now\n", descriptors, descriptors_open());
  }
  server.stop();
  loop.join();
  std::printf("%s\n", suffers ? "another thread suffers" : "went on");
  return 0;
}

}  // namespace

int main() { return run(); }
