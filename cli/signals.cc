#include "signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace cli {

namespace {

sigset_t stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

tincan::Descriptor open_stop_signals() {
  const sigset_t signals = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return tincan::Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
}

int take_signal(const tincan::Descriptor& signals) {
  signalfd_siginfo signal{};
  while (::read(signals.get(), &signal, sizeof signal) < 0 && errno == EINTR) {
  }
  return static_cast<int>(signal.ssi_signo);
}

void restore_stop_signals() {
  const sigset_t signals = stop_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

void end_by(int signal) {
  ::signal(signal, SIG_DFL);
  restore_stop_signals();
  ::raise(signal);
  ::_exit(128 + signal);  // as a shell would tell it; not reached
}

}  // namespace cli
