#include "trial/work_directory.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace bench {

WorkDirectory::WorkDirectory() {
  const char* const set = std::getenv("TMPDIR");
  const std::string parent = set == nullptr || *set == '\0' ? "/tmp" : set;
  path_ = parent + "/tincan-bench-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) {
    throw std::runtime_error("cannot make a directory in " + parent +
                             ", which TMPDIR can change: " + std::strerror(errno));
  }
}

WorkDirectory::~WorkDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace bench
