#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <stdexcept>

namespace tincan::test {

/// A T that a test and the processes it forks share, and that no death of theirs takes along. It
/// begins as zeros.
template <class T>
class Shared {
 public:
  Shared()
      : place_(
            ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (place_ == MAP_FAILED) throw std::bad_alloc();
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { ::munmap(place_, sizeof(T)); }

  T* operator->() const { return static_cast<T*>(place_); }
  T& operator*() const { return *static_cast<T*>(place_); }

 private:
  void* place_;
};

}  // namespace tincan::test
