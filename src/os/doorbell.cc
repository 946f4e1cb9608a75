#include "os/doorbell.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/seam.h"

namespace tincan::os {

Sys<Doorbell> Doorbell::create() {
  if (const int error = before(Call::pipe)) return failed(error);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return failed();
  return Doorbell(Descriptor(ends[0]), Descriptor(ends[1]));
}

void Doorbell::ring() const {
  if (before(Call::write) != 0) return;
  const char ring = 0;
  // EAGAIN: it is full, so the other side has rings to wake up to. EINTR cannot be: nothing waits.
  [[maybe_unused]] const auto written = ::write(write_.get(), &ring, sizeof ring);
}

/// By splice(2) into a pipe of our own: read(2) would wait if the other side has cleared
/// O_NONBLOCK, which is shared with it. Without descriptors for one it is tried again at the next
/// ring.
void DoorbellListener::empty() {
  if (before(Call::pipe) != 0) return;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return;
  const Descriptor read(ends[0]);
  const Descriptor write(ends[1]);
  while (::splice(read_.get(), nullptr, write.get(), nullptr, rings_max, SPLICE_F_NONBLOCK) > 0) {
  }
  rings_ = 0;
}

Sys<bool> is_listening_end(int descriptor) {
  if (const int error = before(Call::fstat)) return failed(error);
  struct stat status;
  if (::fstat(descriptor, &status) < 0) return failed();
  if (!S_ISFIFO(status.st_mode)) return false;
  if (const int error = before(Call::fcntl)) return failed(error);
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0) return failed();
  return (flags & O_ACCMODE) != O_WRONLY && (flags & O_PATH) == 0;
}

}  // namespace tincan::os
