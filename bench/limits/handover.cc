/// Twin of bench/handover.cc: memory passed by sendmsg(2), mapped by who receives it, and answered
/// by a byte. A view that was passed before is named by a send(2). No checks, no limits, one
/// client.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/handover.h"
#include "harness/socket.h"
#include "harness/worker.h"
#include "ways/pass_file.h"
#include "ways/shared.h"

namespace {

constexpr int populate_for_writing = 23;  // MADV_POPULATE_WRITE, Linux 5.14

struct Memory {
  int file;
  char* bytes;
};

Memory build(std::size_t bytes, unsigned seals) {
  const int file = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  bench::require(file >= 0 && fallocate(file, 0, 0, static_cast<off_t>(bytes)) == 0, "fallocate");
  void* const place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  bench::require(place != MAP_FAILED, "mmap");
  madvise(place, bytes, populate_for_writing);
  bench::require(fcntl(file, F_ADD_SEALS, seals) == 0, "F_ADD_SEALS");
  return {file, static_cast<char*>(place)};
}

[[noreturn]] void receive(int socket, bench::Arrival& arrival, bool keeps) {
  void* place = nullptr;
  while (true) {
    const auto received = bench::receive_file(socket);
    if (!received) _exit(0);
    if (*received) {  // or the last one is meant
      if (place != nullptr) munmap(place, arrival.bytes);
      place = mmap(nullptr, arrival.bytes, PROT_READ, MAP_SHARED, received->get(), 0);
      bench::require(place != MAP_FAILED, "mmap");
    }
    arrival.time = bench::now();
    bench::require(static_cast<char*>(place)[arrival.bytes - 1] == 1, "the last byte");
    bench::send_all(socket, "r", 1);
    if (keeps) continue;
    munmap(place, arrival.bytes);
    place = nullptr;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const bench::HandoverTask what(task.argument);
  const auto [client, server_end] = bench::socket_pair();
  const bench::Shared<bench::Arrival> arrival;
  arrival->bytes = what.bytes;
  const int received = server_end;
  const bool keeps = !what.immutable && !what.first_time;
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    ready();
    receive(received, *arrival, keeps);
  });
  constexpr unsigned fixed_size = F_SEAL_SHRINK | F_SEAL_GROW;
  Memory memory = {-1, nullptr};
  const int socket = client;
  bench::run_rounds(server, [&](std::size_t calls, bench::Samples& samples) {
    for (std::size_t i = 0; i < calls; ++i) {
      const bool is_new = memory.file < 0 || !keeps;
      if (is_new) memory = build(what.bytes, what.immutable ? 0 : fixed_size | F_SEAL_FUTURE_WRITE);
      memory.bytes[what.bytes - 1] = 1;
      const std::int64_t start = bench::now();
      if (what.immutable) {
        munmap(memory.bytes, what.bytes);
        bench::require(fcntl(memory.file, F_ADD_SEALS, fixed_size | F_SEAL_WRITE) == 0, "seal");
      }
      is_new ? bench::send_file(socket, memory.file) : bench::send_all(socket, "u", 1);
      char byte;
      bench::receive_all(socket, &byte, 1);
      samples.add(what.immutable ? bench::now() - start : arrival->time - start);
      if (keeps) continue;
      if (!what.immutable) munmap(memory.bytes, what.bytes);
      close(memory.file);
    }
  });
}
