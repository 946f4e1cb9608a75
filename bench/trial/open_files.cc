#include "trial/open_files.h"

#include <sys/resource.h>

#include "ways/demand.h"

namespace bench {

namespace {

rlimit limit_of_open_files() {
  rlimit limit;
  demand(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  return limit;
}

}  // namespace

void allow_many_descriptors() {
  rlimit limit = limit_of_open_files();
  limit.rlim_cur = limit.rlim_max;
  demand(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

std::uint64_t open_files_max() { return limit_of_open_files().rlim_cur; }

}  // namespace bench
