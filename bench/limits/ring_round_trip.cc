/// Twin of bench/ring_round_trip.cc: 1 KB there and back through rings as in futex_ring.h. One
/// client.

#include <cstdint>

#include "futex_ring.h"
#include "harness/worker.h"
#include "ways/shared.h"

namespace {

struct Pair {
  bench::FutexRing there, back;
};

[[noreturn]] void echo(Pair& rings) {
  char bytes[bench::payload_bytes];
  for (std::uint64_t taken = 0, put_so_far = 0;;) {
    bench::take(rings.there, bytes, taken);
    bench::put(rings.back, bytes, put_so_far, rings.back.asleep);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::Shared<Pair> rings;
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    ready();
    echo(*rings);
  });
  char bytes[bench::payload_bytes] = {};
  std::uint64_t put_so_far = 0;
  std::uint64_t taken = 0;
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      bench::put(rings->there, bytes, put_so_far, rings->there.asleep);
      bench::take(rings->back, bytes, taken);
      samples.lap();
    }
  });
}
