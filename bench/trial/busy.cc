#include "trial/busy.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "trial/placement.h"

namespace bench {

BusyProcesses::BusyProcesses() {
  for (const int cpu : allowed_cpus()) {
    const pid_t process = ::fork();
    if (process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      place_on(cpu);
      for (volatile unsigned turns = 0;;) turns = turns + 1;
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
