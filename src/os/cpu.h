#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

/// Calls `visit` with an address in each cache line of `bytes`.
template <class Visit>
void visit_lines(std::span<const std::byte> bytes, Visit visit) {
  static constexpr std::size_t line_bytes = 64;  // or a part of one
  for (std::size_t at = 0; at < bytes.size(); at += line_bytes) visit(&bytes[at]);
  if (!bytes.empty()) visit(&bytes.back());
}
/// More than this is not worth asking for at once. Chosen: a CPU fetches some sixteen lines at a
/// time, and a message of 1 KB lies in 17.
inline constexpr std::size_t fetched_bytes_max = 2048;
/// Asks for `bytes` to be in this CPU's cache, to be read soon.
inline void fetch_lines(std::span<const std::byte> bytes) {
  visit_lines(bytes, [](const void* address) { __builtin_prefetch(address); });
}
/// The same to be written: no other CPU keeps them then. Nothing is changed.
inline void own_lines(std::span<const std::byte> bytes) {
  visit_lines(bytes, [](const void* address) {
#if defined(__x86_64__) || defined(__i386__)
    // The builtin would fetch it to be read, unless told of newer CPUs than we build for; on older
    // ones this does nothing.
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
    __builtin_prefetch(address, 1);
#endif
  });
}

/// What it costs on this machine to sleep and to be woken: measured by sleeping a few times, in
/// some 1 ms, when it is first asked for. Within 5 and 100 µs, whatever was measured.
[[nodiscard]] Nanoseconds wake_up_cost();

}  // namespace tincan::os
