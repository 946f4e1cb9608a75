// iceoryx: chunks of shared memory that clients lend their server and it lends them, publishers and
// subscribers for streams. Both sides look for what comes without a pause.

#include "peers/iceoryx.h"
#include "peers/peer.h"

int main(int argc, char** argv) {
  using enum bench::Work;
  using enum bench::IceoryxWait;
  return bench::run_peer(argc, argv,
                         {.name = "iceoryx, polling",
                          .does = "loaned chunks, take() in a loop",
                          .works = {round_trip, one_way, fan_in},
                          .bytes_max = std::size_t{1} << 20,
                          .warm_up_milliseconds = 20,
                          .is_alone = true,  // there can be one RouDi
                          .make = [] { return bench::make_iceoryx_way(polling); }});
}
