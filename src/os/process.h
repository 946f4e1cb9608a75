#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "os/result.h"
#include "tincan/descriptor.h"

namespace tincan::os {

/// Of fork_generation, which alone reads it.
extern std::atomic<std::uint32_t> forks_behind_us;
/// Changes in the child at every fork(2): what remembers another value belongs to a parent.
/// Cost: one load. A clone(2) that bypasses the C library is not counted.
[[nodiscard]] inline std::uint32_t fork_generation() {
  return forks_behind_us.load(std::memory_order_relaxed);
}

/// As long as one is there, a fork(2) on another thread waits, and so does `spawn`: for what takes
/// two system calls until a child does not get it.
///
/// It is the lock of CloseInChild, so none of those is touched meanwhile, and nothing is allocated:
/// a fork that waits here may already hold the locks of an allocator.
class NoFork {
 public:
  NoFork();
  NoFork(const NoFork&) = delete;
  NoFork& operator=(const NoFork&) = delete;
  ~NoFork();
};

[[nodiscard]] pid_t own_pid();
/// The value of an environment variable; empty when it is not set.
[[nodiscard]] std::string environment(const char* variable);

/// A descriptor that a forked child does not keep: it is closed there before fork(2) returns.
///
/// A child that kept a listener or a lock would keep a dead server's clients waiting and its path
/// held. Threads: as Descriptor; forking at the same time is safe.
class CloseInChild {
 public:
  CloseInChild() : CloseInChild(Descriptor()) {}
  explicit CloseInChild(Descriptor descriptor);
  CloseInChild(CloseInChild&& other) noexcept;
  CloseInChild& operator=(CloseInChild&& other) noexcept;
  ~CloseInChild();

  /// -1 when empty, and in a child.
  [[nodiscard]] int get() const { return descriptor_.get(); }
  [[nodiscard]] const Descriptor& descriptor() const { return descriptor_; }
  [[nodiscard]] Result<Descriptor> duplicate() const { return descriptor_.duplicate(); }
  [[nodiscard]] Descriptor release();
  void reset(Descriptor descriptor = Descriptor());

 private:
  friend void close_all_in_child();
  void enlist();

  Descriptor descriptor_;
  CloseInChild* next_ = nullptr;
  CloseInChild* previous_ = nullptr;
};

/// The path of the program that `pid` runs, or its short name when that may not be read; control
/// characters are replaced. Empty when neither is known.
[[nodiscard]] std::string program_of(pid_t pid);

struct Child {
  pid_t pid = 0;
  Descriptor process;  ///< pidfd_open(2).
};

/// Starts a program that has `socket` as descriptor 3 and is told so in the manner of
/// sd_listen_fds(3): LISTEN_FDS=1, LISTEN_PID, LISTEN_FDNAMES=tincan. The other descriptors above
/// it are closed there, and no signal is blocked.
///
/// The program is forked twice, so that it is the child of init (or of a subreaper) and not of
/// ours: it needs no reaping, and it cannot surprise a program that waits for children of its own.
/// Errors: what execvpe(3) or a fork failed with.
[[nodiscard]] Sys<Child> spawn(std::span<const std::string> arguments, const Descriptor& socket);

}  // namespace tincan::os
