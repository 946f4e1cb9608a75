#pragma once

#include <cstddef>
#include <cstdint>

/// The one seam to the kernel. Every wrapper in this folder passes here before its system call. A
/// release compiles it away; a build with TINCAN_SEAM lets a test fail the n-th call, shorten it,
/// delay it, or kill the process there.
namespace tincan::os {

enum class Call : std::uint8_t {
  accept,
  access,
  allocate,
  bind,
  chmod,
  chown,
  clock,
  clone,
  close,
  connect,
  dup,
  epoll_create,
  epoll_ctl,
  epoll_wait,
  eventfd,
  fcntl,
  fstat,
  futex,
  getsockopt,
  listen,
  lock,
  memfd,
  mlock,
  mmap,
  open,
  pidfd,
  pipe,
  poll,
  read,
  readlink,
  recv,
  rename,
  send,
  setsockopt,
  shutdown,
  socket,
  socketpair,
  stat,
  truncate,
  unlink,
  wait,
  write,
  count_,
};

#ifdef TINCAN_SEAM

/// What a test puts behind the seam. Called on the thread that makes the call.
class Seam {
 public:
  virtual ~Seam() = default;
  /// Returns 0 to let the call happen, or the errno it fails with. `length`, when given, is how
  /// many bytes would be read or written; it may be made smaller, not zero.
  virtual int before(Call call, std::size_t* length) = 0;
};

/// Puts `seam` in place for the whole process (null: none) and returns what was there.
Seam* install(Seam* seam);
int before(Call call, std::size_t* length = nullptr);

#else

inline int before(Call, std::size_t* = nullptr) { return 0; }

#endif

}  // namespace tincan::os
