#pragma once

#include <sys/mman.h>

#include <new>

#include "ways/demand.h"

namespace bench {

/// A T that processes which are forked later share with this one, every page of it there. It lives
/// as long as they do.
template <class T>
T* shared(int file = -1) {
  const int flags = MAP_SHARED | MAP_POPULATE | (file < 0 ? MAP_ANONYMOUS : 0);
  void* const at = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, flags, file, 0);
  demand(at != MAP_FAILED, "mmap");
  return new (at) T;
}

}  // namespace bench
