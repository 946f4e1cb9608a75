#pragma once

#include <sys/types.h>

#include <vector>

namespace bench {

/// A process on each CPU that we may use, which does nothing but use it, as long as this lives.
class BusyProcesses {
 public:
  BusyProcesses();
  ~BusyProcesses();
  BusyProcesses(const BusyProcesses&) = delete;
  BusyProcesses& operator=(const BusyProcesses&) = delete;

 private:
  std::vector<pid_t> processes_;
};

}  // namespace bench
