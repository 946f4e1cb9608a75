#include "trial/placement.h"

#include <sched.h>

#include "ways/demand.h"

namespace bench {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  demand(::sched_getaffinity(0, sizeof set, &set) == 0, "sched_getaffinity");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void place_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  demand(::sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

void place(Placement placement, bool is_server) {
  if (placement == Placement::free) return;
  const std::vector<int> cpus = allowed_cpus();
  place_on(placement == Placement::different && is_server ? cpus.front() : cpus.back());
}

}  // namespace bench
