#include "peers/sweep.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "trial/peer.h"
#include "ways/demand.h"

namespace bench {

void sweep_when_this_ends(const std::function<void()>& sweep) {
  int ends[2];
  demand(::pipe2(ends, O_CLOEXEC) == 0, "pipe2");
  const pid_t pid = ::fork();
  demand(pid >= 0, "fork");
  if (pid != 0) {
    ::close(ends[0]);  // the other end stays open for as long as we live
    return;
  }
  ::close(ends[1]);
  ::close(peer_control);
  char nothing;
  while (::read(ends[0], &nothing, 1) < 0 && errno == EINTR) {
  }
  sweep();
  ::_exit(0);
}

void remove_beginning(const std::string& directory, const std::string& beginning) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    if (!entry.path().filename().string().starts_with(beginning)) continue;
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

}  // namespace bench
