#pragma once

#include <cerrno>
#include <system_error>

namespace bench {

/// Throws what errno says of `call`, unless `ok`.
inline void demand(bool ok, const char* call) {
  if (!ok) throw std::system_error(errno, std::generic_category(), call);
}

}  // namespace bench
