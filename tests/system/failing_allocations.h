#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

/// Allocations that fail when the program says so: the C library's allocator is replaced by one
/// that does (malloc(3) permits that). For a program of its own: it defines what it replaces.
namespace tincan::test {

/// Only of threads that say so here do allocations fail,
inline thread_local bool allocations_may_fail = false;
/// or, where the program says so, of all that do not say here that theirs do not: the library
/// starts threads that nobody else can mark.
inline std::atomic<bool> allocations_of_others_fail = false;
inline thread_local bool allocations_never_fail = false;
inline std::atomic<long> allocations_left = 0;   ///< Until one fails; 0: none does.
inline std::atomic<bool> then_all_fail = false;  ///< Not that one alone.
inline std::atomic<bool> allocation_failed = false;

inline bool allocation_fails() {
  const bool of_another = allocations_of_others_fail && !allocations_never_fail;
  if ((!allocations_may_fail && !of_another) || allocations_left == 0) return false;
  if (then_all_fail && allocation_failed) return true;
  if (--allocations_left != 0) return false;
  if (then_all_fail) allocations_left = 1;
  allocation_failed = true;
  return true;
}

/// The n-th from now fails; `and_all_that_follow` with it.
inline void fail_allocation(long n, bool and_all_that_follow = false) {
  allocation_failed = false;
  then_all_fail = and_all_that_follow;
  allocations_left = n;
}
inline void fail_no_allocation() { allocations_left = 0; }

}  // namespace tincan::test

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

void* operator new(std::size_t size) {
  void* const memory = tincan::test::allocation_fails() ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return tincan::test::allocation_fails() ? nullptr : std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

#else

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t size) {
  return tincan::test::allocation_fails() ? nullptr : __libc_malloc(size);
}
void* realloc(void* old, std::size_t size) {
  return tincan::test::allocation_fails() ? nullptr : __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return tincan::test::allocation_fails() ? nullptr : __libc_memalign(alignment, size);
}
}

#endif
