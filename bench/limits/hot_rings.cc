/// Twin of bench/hot_rings.cc: as many threads as the argument says, each with a pair of rings as
/// in futex_ring.h, and one server that looks at all of them before it sleeps.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "futex_ring.h"
#include "harness/crew.h"
#include "harness/worker.h"
#include "ways/shared.h"

namespace {

struct Pair {
  bench::FutexRing there, back;
};

struct Pairs {
  alignas(128) std::atomic<std::uint32_t> server_asleep;
  alignas(128) Pair pairs[64];
};

class EchoServer {
 public:
  EchoServer(std::span<Pair> pairs, std::atomic<std::uint32_t>& asleep)
      : pairs_(pairs), asleep_(asleep), taken_(pairs.size()), put_(pairs.size()) {}
  [[noreturn]] void run() {
    const auto serves = [this] { return serve_all(); };
    while (true) {
      const bool some_elsewhere = std::ranges::any_of(
          pairs_, [](const Pair& pair) { return bench::is_elsewhere(pair.there); });
      if (!(some_elsewhere ? bench::spin(serves) : serves())) {
        bench::sleep_unless(serves, asleep_);
      }
    }
  }

 private:
  bool serve_all() {
    bool any = false;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      if (!bench::has_come(pairs_[i].there, taken_[i])) continue;
      char bytes[bench::payload_bytes];
      bench::copy_out(pairs_[i].there, bytes, taken_[i]);
      bench::put(pairs_[i].back, bytes, put_[i], pairs_[i].back.asleep);
      any = true;
    }
    return any;
  }

  const std::span<Pair> pairs_;
  std::atomic<std::uint32_t>& asleep_;
  std::vector<std::uint64_t> taken_;
  std::vector<std::uint64_t> put_;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::Shared<Pairs> shared;
  const std::span pairs(shared->pairs, task.number());
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    ready();
    EchoServer(pairs, shared->server_asleep).run();
  });
  std::vector<std::uint64_t> put(pairs.size());
  std::vector<std::uint64_t> taken(pairs.size());
  bench::Crew crew(pairs.size(), [&](std::size_t i, std::size_t calls, bench::Samples& samples) {
    char bytes[bench::payload_bytes] = {};
    for (std::size_t call = 0; call < calls; ++call) {
      bench::put(pairs[i].there, bytes, put[i], shared->server_asleep);
      bench::take(pairs[i].back, bytes, taken[i]);
      samples.lap();
    }
  });
  bench::run_rounds(
      server, [&](std::size_t calls, bench::Samples& samples) { crew.round(calls, samples); });
}
