#include "trial/limits.h"

#include <sys/resource.h>

#include <cerrno>
#include <system_error>

namespace bench {

void allow_many_descriptors() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  }
  throw std::system_error(errno, std::generic_category(), "RLIMIT_NOFILE");
}

}  // namespace bench
