#include "harness/handover.h"

#include <sstream>

#include "harness/worker.h"

namespace bench {

HandoverTask::HandoverTask(const std::string& argument) {
  std::istringstream words(argument);
  std::string kind;
  std::size_t mebibytes = 0;
  words >> kind >> mebibytes;
  require(mebibytes > 0, "usage: view|first|immutable MEBIBYTES");
  immutable = kind == "immutable";
  first_time = kind == "first";
  bytes = mebibytes << 20;
}

}  // namespace bench
