#include "harness/handover.h"

#include <sys/mman.h>

#include <new>
#include <sstream>

#include "harness/worker.h"

namespace bench {

HandoverTask::HandoverTask(const std::string& argument) {
  std::istringstream words(argument);
  std::string kind;
  std::size_t mebibytes = 0;
  words >> kind >> mebibytes;
  require(mebibytes > 0, "usage: view|first|immutable MEBIBYTES");
  immutable = kind == "immutable";
  first_time = kind == "first";
  bytes = mebibytes << 20;
}

Arrival& shared_arrival(std::size_t bytes) {
  void* const place =
      mmap(nullptr, sizeof(Arrival), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  require(place != MAP_FAILED, "mmap");
  return *new (place) Arrival{.time = 0, .bytes = bytes};
}

}  // namespace bench
