#include "os/shortage.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace tincan::os {

std::string describe_shortage(int error) {
  const char* const system = strerrordesc_np(error);
  std::string text = system != nullptr ? system : "error " + std::to_string(error);
  if (error == EMFILE) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    text +=
        "; raise the limit of this process (ulimit -n, now " + std::to_string(limit.rlim_cur) + ")";
  } else if (error == ENFILE) {
    text += "; raise the limit of this machine (sysctl fs.file-max)";
  }
  return text;
}

}  // namespace tincan::os
