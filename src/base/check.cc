#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tincan {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "tincan: broken rule: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace tincan
