#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

/// What waiting without sleeping has to know of the CPU.
namespace tincan::os {

/// Where this thread runs, as of now: a number to compare. About 1 ns, without a system call, with
/// the C library of Debian 12.
[[nodiscard]] std::uint32_t current_cpu();

/// Tells the CPU that this thread looks at the same word again and again.
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// What CPUs fetch at once, or a part of it: to go through memory with own_line.
inline constexpr std::size_t cache_line_bytes = 64;
/// Asks for the cache line at `address`, so that it can be written soon without waiting for it;
/// what stands there does not change. Does nothing on a CPU that has no such instruction.
inline void own_line(const void* address) {
#if defined(__x86_64__) || defined(__i386__)
  // The builtin would fetch it to be read, unless told of newer CPUs than we build for.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

/// What it costs on this machine to sleep and to be woken: measured by sleeping a few times, in
/// some 1 ms, when it is first asked for. Within 5 and 100 µs, whatever was measured.
[[nodiscard]] Nanoseconds wake_up_cost();

}  // namespace tincan::os
