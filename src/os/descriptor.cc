#include "tincan/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os/seam.h"

namespace tincan {

void Descriptor::reset(int number) noexcept {
  const int old = std::exchange(number_, number);
  if (old < 0) return;
  const int saved = errno;
  // Not made again after EINTR: Linux has released the number by then, close(2).
  ::close(old);
  errno = saved;
}

Result<Descriptor> Descriptor::duplicate() const {
  const int error = os::before(os::Call::dup);
  const int copy = error != 0 ? -1 : ::fcntl(number_, F_DUPFD_CLOEXEC, 0);
  if (copy >= 0) return Descriptor(copy);
  const int cause = error != 0 ? error : errno;
  return std::unexpected(
      Failure(cause == EMFILE ? Cause::exhausted : Cause::usage,
              "descriptor " + std::to_string(number_) + ": " + std::strerror(cause), cause));
}

}  // namespace tincan
