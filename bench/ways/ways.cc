#include <tincan/limits.h>

#include "ways/notices.h"
#include "ways/pipes.h"
#include "ways/queues.h"
#include "ways/shared_memory.h"
#include "ways/sockets.h"
#include "ways/tincan.h"

namespace bench {

namespace {

using enum Work;
using Works = std::vector<Work>;

const Works pair_works = {round_trip, one_way, payload};
const Works connected_works = {round_trip, one_way, fan_in, set_up, payload, idle};

WayEntry socket_way(const char* name, const char* does, SocketKind kind, Works works,
                    std::size_t bytes_max = SIZE_MAX) {
  return {.name = name,
          .does = does,
          .works = std::move(works),
          .bytes_max = bytes_max,
          .make = [kind] { return make_socket_way(kind); }};
}

WayEntry memory_way(const char* name, const char* does, RingWait wait) {
  return {.name = name, .does = does, .works = pair_works, .make = [wait] {
            return make_shared_memory_way(wait);
          }};
}

WayEntry tincan_way(const char* name, const char* does, tincan::Transport transport, Works works) {
  return {.name = name,
          .does = does,
          .works = std::move(works),
          .bytes_max = tincan::limits::payload_bytes_max,
          .make = [transport] { return make_tincan_way(transport); }};
}

WayEntry loan_way(const char* name, const char* does, tincan::Handover kind) {
  return {.name = name, .does = does, .works = {payload}, .make = [kind] {
            return make_tincan_loan_way(kind);
          }};
}

void add_sockets(std::vector<WayEntry>& ways) {
  const std::size_t packet_max = packet_bytes_max();
  constexpr std::size_t udp_max = 65'507;
  const Works datagrams = {round_trip, one_way};
  ways.push_back(socket_way("unix stream", "socket(AF_UNIX, SOCK_STREAM), send and recv that block",
                            SocketKind::unix_stream, connected_works));
  ways.push_back({.name = "unix stream, batched",
                  .does = "the same; messages are copied together and written 32 KiB at a time",
                  .works = {one_way},
                  .make = make_batched_socket_way});
  ways.push_back({.name = "unix stream, looking",
                  .does = "the same; looks up to 50 µs before it sleeps, unless on the peer's CPU",
                  .works = {round_trip},
                  .make = make_looking_socket_way});
  ways.push_back(socket_way("unix seqpacket", "SOCK_SEQPACKET", SocketKind::unix_packets,
                            {round_trip, one_way, fan_in, set_up}, packet_max));
  ways.push_back(socket_way("unix datagram", "SOCK_DGRAM, both ends bound and connected",
                            SocketKind::unix_datagrams, datagrams, packet_max));
  ways.push_back(
      socket_way("TCP, IPv4", "127.0.0.1, TCP_NODELAY", SocketKind::tcp4, connected_works));
  ways.push_back(socket_way("TCP, IPv6", "::1, TCP_NODELAY", SocketKind::tcp6, connected_works));
  ways.push_back(socket_way("UDP, IPv4", "127.0.0.1; one way, a word back every 16 messages",
                            SocketKind::udp4, datagrams, udp_max));
  ways.push_back(socket_way("UDP, IPv6", "::1; one way, a word back every 16 messages",
                            SocketKind::udp6, datagrams, udp_max));
}

void add_files_and_queues(std::vector<WayEntry>& ways) {
  ways.push_back({.name = "pipe",
                  .does = "pipe(2), one for each direction",
                  .works = pair_works,
                  .make = make_pipe_way});
  ways.push_back({.name = "FIFO",
                  .does = "mkfifo(3), one for each direction",
                  .works = pair_works,
                  .make = make_fifo_way});
  ways.push_back({.name = "POSIX queue",
                  .does = "mq_open(3), ten messages deep",
                  .works = {round_trip, one_way},
                  .bytes_max = posix_queue_bytes_max(),
                  .make = make_posix_queue_way});
  ways.push_back({.name = "System V queue",
                  .does = "msgget(2)",
                  .works = {round_trip, one_way},
                  .bytes_max = system_v_queue_bytes_max(),
                  .make = make_system_v_queue_way});
  ways.push_back({.name = "eventfd",
                  .does = "eventfd(2), a number of 8 bytes",
                  .works = {round_trip},
                  .bytes_min = notice_bytes,
                  .bytes_max = notice_bytes,
                  .make = make_eventfd_way});
  ways.push_back({.name = "signal",
                  .does = "sigqueue(3) and sigwaitinfo(2), 8 bytes",
                  .works = {round_trip},
                  .bytes_min = notice_bytes,
                  .bytes_max = notice_bytes,
                  .make = make_signal_way});
}

void add_memory(std::vector<WayEntry>& ways) {
  ways.push_back({.name = "mapped file",
                  .does = "a ring in a file, mmap(2); looks, then futex(2)",
                  .works = {round_trip, one_way},
                  .make = make_mapped_file_way});
  ways.push_back(memory_way("memory, spinning", "a ring in shared memory; each side burns a CPU",
                            RingWait::spin));
  ways.push_back(
      memory_way("memory, futex", "a ring in shared memory; who waits sleeps", RingWait::sleep));
  ways.push_back(memory_way("memory, looking",
                            "the same; looks up to 50 µs first, unless on the peer's CPU",
                            RingWait::aware));
  ways.push_back({.name = "memory, batched",
                  .does = "the same, published every 32 KiB",
                  .works = {one_way},
                  .make = make_batched_memory_way});
  ways.push_back({.name = "memory file",
                  .does = "memfd_create(2), sealed, passed over a socket",
                  .works = {payload},
                  .make = make_memory_file_way});
}

void add_tincan(std::vector<WayEntry>& ways) {
  using tincan::Transport;
  ways.push_back(tincan_way("tincan, socket", "calls, and a Sender one way; never a ring",
                            Transport::socket,
                            {round_trip, one_way, fan_in, set_up, payload, idle}));
  ways.push_back(tincan_way("tincan, ring", "the same, in a ring from the first call on",
                            Transport::ring, {round_trip, one_way, fan_in, payload}));
  ways.push_back(tincan_way("tincan", "as shipped: a socket, and a ring while it is worth it",
                            Transport::automatic, {round_trip, one_way, fan_in, payload}));
  ways.push_back(loan_way("tincan, immutable", "a loan that nobody can change once it is sent",
                          tincan::Handover::immutable));
  ways.push_back(loan_way("tincan, shared view", "a loan that is used again and again",
                          tincan::Handover::shared_view));
}

std::vector<WayEntry> all_ways() {
  std::vector<WayEntry> ways;
  add_sockets(ways);
  add_files_and_queues(ways);
  add_memory(ways);
  add_tincan(ways);
  return ways;
}

}  // namespace

const std::vector<WayEntry>& ways() {
  static const std::vector<WayEntry> all = all_ways();
  return all;
}

}  // namespace bench
