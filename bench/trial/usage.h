#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace bench {

/// What a process has used so far.
struct Usage {
  std::chrono::nanoseconds cpu{};  ///< User and system.
  std::uint64_t switches = 0;      ///< Of the context, wanted and not.
};

/// All of its threads. Throws std::system_error.
[[nodiscard]] Usage usage_of(pid_t process);
/// Bytes of memory that it has written to and nobody else has. Throws std::runtime_error.
[[nodiscard]] std::size_t own_bytes_of(pid_t process);
/// Bytes of memory of the kernel's own for its objects, of all that runs.
[[nodiscard]] std::size_t kernel_bytes();

/// Counts the system calls of processes from `begin`, which is called once they are followed, while
/// `is_over` is false, which is asked after each of them. It stops each process at each call, so
/// nothing else can be measured meanwhile, and who looks before he sleeps sleeps more often. None:
/// this process may not trace them.
[[nodiscard]] std::optional<std::uint64_t> count_system_calls(std::span<const pid_t> processes,
                                                              const std::function<void()>& begin,
                                                              const std::function<bool()>& is_over);

}  // namespace bench
