// A server that cannot seal what it hands over, and has no memory to say so: the thread beside the
// loop fails the first allocation, then the second, and so on; each alone, and then with all that
// follow it. Whichever it is, the caller gets an error that says so, and the server goes on.
// Started by shortage_test.cc.

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "support/temporary_directory.h"
#include "system/failing_allocations.h"
#include "system/polling.h"
#include "tincan/tincan.h"

namespace {

using namespace tincan;

/// So large that it is sealed beside the loop.
constexpr std::size_t lent_bytes = 2 << 20;
constexpr CallOptions patient{.deadline = test::patience};

/// The file of the memory that was lent last.
int file_of_loan() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int number = std::atoi(entry.path().filename().c_str());
    struct stat status;
    if (::fstat(number, &status) == 0 && status.st_size == off_t{lent_bytes}) return number;
  }
  return -1;
}

/// Somebody else who can write there, which keeps it from being sealed.
class Writer {
 public:
  explicit Writer(int file)
      : at_(::mmap(nullptr, lent_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) {
    if (at_ == MAP_FAILED) std::abort();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { ::munmap(at_, lent_bytes); }

 private:
  void* const at_;
};

bool tells_why(const Failure& failure) {
  return failure.outcome() == Outcome::declared &&
         (failure.detail().find("out of memory") != std::string::npos ||
          failure.detail().find("cannot be made immutable") != std::string::npos);
}

/// False once something is wrong, which it says.
bool fail_each(Client& client, bool lasting) {
  long n = 0;
  do {
    test::fail_allocation(++n, lasting);
    const auto reply = client.call("lend", "", patient);
    test::fail_no_allocation();
    if (!reply && tells_why(reply.error()) && client.call("tincan.ping", "", patient)) continue;
    std::printf("allocation %ld%s: %s\n", n, lasting ? " and all that follow" : "",
                reply ? "sealed" : reply.error().explain().c_str());
    return false;
  } while (test::allocation_failed);
  if (n < 2) std::printf("nothing failed\n");
  return n >= 2;
}

int run() {
  test::allocations_never_fail = true;
  const test::TemporaryDirectory directory;
  Server server = or_exit(Server::listen(directory / "s"));
  std::optional<Writer> writer;  // of the loop
  server.on("lend", [&](Request request) {
    writer.reset();
    Loan loan = or_exit(request.loan(lent_bytes));
    writer.emplace(file_of_loan());
    or_exit(request.reply(std::move(loan)));
  });
  std::thread loop([&] {
    test::allocations_never_fail = true;
    or_exit(server.run());
  });
  Client client = or_exit(Client::connect(
      directory / "s",
      {.connect_deadline = test::patience, .transport = Transport::socket, .views_max = 1}));
  test::allocations_of_others_fail = true;
  const bool well = fail_each(client, false) && fail_each(client, true);
  server.stop();
  loop.join();
  if (well) std::printf("served\n");
  return 0;
}

}  // namespace

int main() { return run(); }
