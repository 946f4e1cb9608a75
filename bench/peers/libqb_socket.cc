// libqb, the IPC of corosync and pacemaker: datagrams of unix sockets, a loop of its own on the
// server's side.

#include "peers/libqb.h"
#include "peers/peer.h"

int main(int argc, char** argv) {
  using enum bench::Work;
  return bench::run_peer(argc, argv,
                         {.name = "libqb, socket",
                          .does = "qb_ipcc and qb_ipcs, QB_IPC_SOCKET",
                          .works = {round_trip, one_way, fan_in, set_up},
                          .bytes_max = bench::libqb_datagram_bytes_max(),
                          .make = [] { return bench::make_libqb_way(QB_IPC_SOCKET); }});
}
