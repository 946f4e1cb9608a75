#include "trial/work_directory.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace bench {

namespace {
/// Chosen: half a second, after which it is left behind.
constexpr int attempts_max = 50;
}  // namespace

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
  // Again where something came into it meanwhile: seen once in some 500 interrupted runs beside
  // busy processes, with the socket of a server that had been killed.
  for (int attempts = 0; attempts < attempts_max; ++attempts) {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    if (!error) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace bench
