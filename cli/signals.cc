#include "signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace cli {

tincan::Descriptor open_stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return tincan::Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
}

void take_signal(const tincan::Descriptor& signals) {
  signalfd_siginfo signal;
  while (::read(signals.get(), &signal, sizeof signal) < 0 && errno == EINTR) {
  }
}

}  // namespace cli
