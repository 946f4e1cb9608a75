#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace cli {

/// How far a benchmark is, and how long it will still take, on stderr where that is a terminal.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// So much of all is done, from 0 to 1; `doing` is what comes next.
  void show(double done, std::string_view doing);
  /// Takes the line away, for others to be printed.
  void clear();

 private:
  const bool is_shown_;
  const std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point shown_{};
  bool is_there_ = false;
};

}  // namespace cli
