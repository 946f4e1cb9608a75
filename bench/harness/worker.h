#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>

#include "harness/samples.h"
#include "trial/placement.h"

/// One side of a comparison: a process with its server in a second one, which does a round of work
/// whenever scripts/goals asks for it. The other side is another such process, so that rounds of
/// both take turns in the same seconds.
namespace bench {

/// Prints `what` and errno and exits, unless `ok`.
void require(bool ok, const char* what);

/// What the command line asks for: `program s|d|u [argument]`: on the same CPU, on different ones,
/// or unpinned.
struct Assignment {
  Placement placement;
  std::string argument;  ///< Empty when there is none.

  Assignment(int argc, char** argv);
  [[nodiscard]] std::size_t number() const;
};

/// A new directory for the server's socket, gone with its object. The path is `path()`.
class SocketPath {
 public:
  SocketPath();
  ~SocketPath();
  SocketPath(const SocketPath&) = delete;
  SocketPath& operator=(const SocketPath&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string directory_;
  std::string path_;
};

/// The process of the server. It dies with its object, and with this process.
class ServerProcess {
 public:
  /// Forks and runs `serve`, which calls its argument when clients can come; returns after that.
  /// This process is placed too.
  ServerProcess(Placement placement, const std::function<void(std::function<void()> ready)>& serve);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Nanoseconds of CPU time, user and system, that it has used.
  [[nodiscard]] std::int64_t cpu_time() const;
  /// Bytes of resident memory.
  [[nodiscard]] std::size_t resident_bytes() const;

 private:
  pid_t pid_;
};

/// For every line on stdin, which is a number, does so many operations and prints what they took:
/// wall time, CPU time of both processes, and the median of the samples, if `round` gives any. At
/// the end of stdin it prints the quantiles over all rounds. All times are nanoseconds, as JSON.
void run_rounds(const ServerProcess& server,
                const std::function<void(std::size_t operations, Samples& samples)>& round);

}  // namespace bench
