#include "os/shortage.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace tincan::os {

namespace {

std::string words_of(int error) {
  const char* const system = strerrordesc_np(error);
  return system != nullptr ? system : "error " + std::to_string(error);
}

}  // namespace

std::string describe_shortage(int error) {
  std::string text = words_of(error);
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

std::string describe_lock_shortage(int error) {
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) return words_of(error);
  return words_of(error) + "; raise the limit of locked memory (ulimit -l, now " +
         std::to_string(limit.rlim_cur / 1024) + " KiB)";
}

}  // namespace tincan::os
