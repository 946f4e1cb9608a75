// libqb, the IPC of corosync and pacemaker: rings in shared memory, a loop of its own on the
// server's side.

#include "peers/libqb.h"
#include "peers/peer.h"

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "libqb, memory",
                          .does = "qb_ipcc and qb_ipcs, QB_IPC_SHM",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .bytes_max = std::size_t{1} << 20,
                          .make = [] { return bench::make_libqb_way(QB_IPC_SHM); }});
}
