#pragma once

#include <string>

namespace bench {

/// A new directory, in $TMPDIR or /tmp; it is removed with all that is in it.
class WorkDirectory {
 public:
  /// Throws std::runtime_error.
  WorkDirectory();
  ~WorkDirectory();
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace bench
