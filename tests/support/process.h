#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/eventually.h"

/// Of the `coverage` preset only: writes what was counted, which _exit(2) does not.
extern "C" [[gnu::weak]] void __gcov_dump();

namespace tincan::test {

/// Ends a forked copy of the test, with its output written and none of the test's own clean-up.
[[noreturn]] inline void leave(int status) {
  std::fflush(nullptr);
  if (&__gcov_dump != nullptr) {
    // A child without rights or free descriptors cannot write its counts; its output is not to say.
    ::close(STDOUT_FILENO);
    if (::open("/dev/null", O_WRONLY) == STDOUT_FILENO) ::dup2(STDOUT_FILENO, STDERR_FILENO);
    __gcov_dump();
  }
  ::_exit(status);
}

/// A child process of a test. Whatever happens to the test, the child is killed and reaped.
///
///     auto server = Process::run({binary("examples/greet_server"), path});
///     ASSERT_TRUE(server.wait_for_output("ready"));
///     server.kill(SIGTERM);
///     EXPECT_EQ(server.wait(), 0);
class Process {
 public:
  /// Starts a program; its stdout and stderr go to `output()`. `prepare` runs in the child before.
  static Process run(std::vector<std::string> arguments,
                     const std::function<void()>& prepare = {}) {
    return Process([&] {
      if (prepare) prepare();
      std::vector<char*> words;
      for (std::string& argument : arguments) words.push_back(argument.data());
      words.push_back(nullptr);
      ::execvp(words[0], words.data());
      return 127;
    });
  }
  /// Runs `body` in a forked copy of the test; what it returns is the exit status.
  static Process fork(const std::function<int()>& body) { return Process(body); }

  Process(Process&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        output_(std::exchange(other.output_, -1)),
        text_(std::move(other.text_)),
        status_(other.status_) {}
  Process& operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(output_, other.output_);
    std::swap(text_, other.text_);
    std::swap(status_, other.status_);
    return *this;
  }
  ~Process() {
    if (pid_ > 0 && !status_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    if (output_ >= 0) ::close(output_);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  void kill(int signal = SIGKILL) const {
    if (!status_) ::kill(pid_, signal);
  }
  /// The exit status, or minus the signal that ended it; none: it still runs at the deadline.
  /// Reads the output meanwhile, so that a child that says much can end.
  std::optional<int> wait(std::chrono::nanoseconds deadline = patience) {
    eventually([&] { return take_output(0), reap(); }, deadline);
    return status_;
  }
  [[nodiscard]] bool running() { return !reap(); }

  /// True once the output contains `text`.
  bool wait_for_output(const std::string& text, std::chrono::nanoseconds deadline = patience) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (text_.find(text) == std::string::npos) {
      if (std::chrono::steady_clock::now() > end || !take_output(50)) {
        return text_.find(text) != std::string::npos;
      }
    }
    return true;
  }
  /// Everything it has said so far.
  const std::string& output() {
    while (take_output(0)) {
    }
    return text_;
  }

 private:
  explicit Process(const std::function<int()>& body) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw std::runtime_error("pipe2");
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::dup2(ends[1], STDERR_FILENO);
      leave(body());
    }
    ::close(ends[1]);
    output_ = ends[0];
  }

  bool reap() {
    int status;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    }
    return status_.has_value();
  }

  /// Adds what is there, after waiting for it at most `milliseconds`. False at the end, and when
  /// nothing is there and nothing was to be waited for.
  bool take_output(int milliseconds) {
    pollfd ready{output_, POLLIN, 0};
    if (::poll(&ready, 1, milliseconds) <= 0) return milliseconds > 0;
    char piece[4096];
    const auto bytes = ::read(output_, piece, sizeof piece);
    if (bytes > 0) text_.append(piece, static_cast<std::size_t>(bytes));
    return bytes > 0;
  }

  pid_t pid_ = -1;
  int output_ = -1;
  std::string text_;
  std::optional<int> status_;
};

/// A program of this build: binary("examples/pingpong_server").
inline std::string binary(const std::string& name) {
  return std::string(TINCAN_BINARY_DIR) + "/" + name;
}

}  // namespace tincan::test
