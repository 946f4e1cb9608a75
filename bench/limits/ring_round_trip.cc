/// Twin of bench/ring_round_trip.cc: 1 KB there and back through a ring in shared memory. Each side
/// copies in and out, publishes where it runs, spins for up to 50 µs unless the other runs on the
/// same CPU, and then sleeps in a futex(2). No checks, no limits, no descriptors, one client.

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "harness/sizes.h"
#include "harness/worker.h"

namespace {

constexpr std::size_t ring_bytes = 256 * 1024;
constexpr std::int64_t spin_nanoseconds = 50'000;

/// One direction. The words of the two sides lie apart.
struct Ring {
  alignas(128) std::atomic<std::uint64_t> produced;
  alignas(128) std::atomic<std::uint64_t> consumed;
  alignas(128) std::atomic<std::uint32_t> asleep;
  std::atomic<std::uint32_t> producer_cpu;
  alignas(128) char bytes[ring_bytes];
};

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation, value, nullptr,
                 nullptr, 0);
}

void put(Ring& ring, const char* bytes, std::uint64_t& position) {
  std::memcpy(ring.bytes + position % ring_bytes, bytes, bench::payload_bytes);
  position += bench::payload_bytes;
  ring.producer_cpu.store(static_cast<std::uint32_t>(sched_getcpu()), std::memory_order_relaxed);
  ring.produced.store(position, std::memory_order_seq_cst);
  if (ring.asleep.load(std::memory_order_seq_cst) != 0) {
    ring.asleep.store(0, std::memory_order_relaxed);
    futex(ring.asleep, FUTEX_WAKE, 1);
  }
}

bool has_come(const Ring& ring, std::uint64_t position) {
  return ring.produced.load(std::memory_order_seq_cst) != position;
}

bool spin(const Ring& ring, std::uint64_t position) {
  const std::int64_t end = bench::now() + spin_nanoseconds;
  do {
    for (int i = 0; i < 16; ++i) {
      if (has_come(ring, position)) return true;
      __builtin_ia32_pause();
    }
  } while (bench::now() < end);
  return false;
}

void take(Ring& ring, char* bytes, std::uint64_t& position) {
  while (!has_come(ring, position)) {
    const auto cpu = static_cast<std::uint32_t>(sched_getcpu());
    const bool apart = ring.producer_cpu.load(std::memory_order_relaxed) != cpu;
    if (apart && spin(ring, position)) break;
    ring.asleep.store(1, std::memory_order_seq_cst);
    if (!has_come(ring, position)) futex(ring.asleep, FUTEX_WAIT, 1);
    ring.asleep.store(0, std::memory_order_relaxed);
  }
  std::memcpy(bytes, ring.bytes + position % ring_bytes, bench::payload_bytes);
  position += bench::payload_bytes;
  ring.consumed.store(position, std::memory_order_release);
}

struct Pair {
  Ring there, back;
};

[[noreturn]] void echo(Pair& rings) {
  char bytes[bench::payload_bytes];
  for (std::uint64_t taken = 0, put_so_far = 0;;) {
    take(rings.there, bytes, taken);
    put(rings.back, bytes, put_so_far);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Task task(argc, argv);
  void* const memory =
      mmap(nullptr, sizeof(Pair), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  bench::require(memory != MAP_FAILED, "mmap");
  std::memset(memory, 0, sizeof(Pair));  // every page is there before it counts
  auto& rings = *static_cast<Pair*>(memory);
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    ready();
    echo(rings);
  });
  char bytes[bench::payload_bytes] = {};
  std::uint64_t put_so_far = 0;
  std::uint64_t taken = 0;
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      put(rings.there, bytes, put_so_far);
      take(rings.back, bytes, taken);
      samples.lap();
    }
  });
}
