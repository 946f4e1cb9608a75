#include "harness/shared_memory.h"

#include <sys/mman.h>

#include <cstring>

#include "harness/worker.h"

namespace bench {

void* shared_memory(std::size_t bytes) {
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  require(memory != MAP_FAILED, "mmap");
  std::memset(memory, 0, bytes);
  return memory;
}

}  // namespace bench
