#pragma once

#include <cerrno>
#include <expected>

namespace tincan::os {

/// The errno of a system call that failed.
struct Errno {
  int code = 0;
  constexpr bool operator==(const Errno&) const = default;
};

/// What a wrapper of a system call returns: two registers, no allocation.
template <class T>
using Sys = std::expected<T, Errno>;

inline std::unexpected<Errno> failed(int code) { return std::unexpected(Errno{code}); }
inline std::unexpected<Errno> failed() { return failed(errno); }

/// Of a call that returns nothing but whether it worked.
inline Sys<void> done(int result) {
  if (result < 0) return failed();
  return {};
}

/// True when a call failed because descriptors, memory, buffers or disk space ran out: it may work
/// later.
constexpr bool is_shortage(int code) {
  return code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOBUFS ||
         code == ETOOMANYREFS || code == ENOSPC || code == EDQUOT;
}

}  // namespace tincan::os
