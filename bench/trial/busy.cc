#include "trial/busy.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <exception>

#include "trial/child.h"
#include "trial/placement.h"

namespace bench {

namespace {

/// In the new process: nothing of its parent's is to run in it.
[[noreturn]] void use(int cpu) noexcept {
  try {
    place_on(cpu);
  } catch (const std::exception&) {
    ::_exit(1);  // the CPU has been taken away meanwhile
  }
  for (volatile unsigned turns = 0;;) turns = turns + 1;
}

}  // namespace

BusyProcesses::BusyProcesses() {
  for (const int cpu : allowed_cpus()) {
    const pid_t parent = ::getpid();
    const pid_t process = ::fork();
    if (process == 0) {
      begin_child(parent);
      use(cpu);
    }
    if (process > 0) processes_.push_back(process);
  }
}

BusyProcesses::~BusyProcesses() {
  for (const pid_t process : processes_) {
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
  }
}

}  // namespace bench
