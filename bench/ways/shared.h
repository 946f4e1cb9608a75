#pragma once

#include <sys/mman.h>

#include <new>

#include "ways/demand.h"

namespace bench {

/// A T that processes which are forked later share with this one, every page of it there.
template <class T>
class Shared {
 public:
  /// In memory, or in `file`, which has room for it and need not stay open.
  explicit Shared(int file = -1) {
    const int flags = MAP_SHARED | MAP_POPULATE | (file < 0 ? MAP_ANONYMOUS : 0);
    void* const at = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, flags, file, 0);
    demand(at != MAP_FAILED, "mmap");
    object_ = new (at) T;
  }
  /// Others still have it.
  ~Shared() { ::munmap(object_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  [[nodiscard]] T& operator*() const { return *object_; }
  [[nodiscard]] T* operator->() const { return object_; }

 private:
  T* object_;
};

}  // namespace bench
