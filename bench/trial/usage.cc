#include "trial/usage.h"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace bench {

namespace {

namespace fs = std::filesystem;

/// The number behind each of `names` in a file of "name: number" lines, added up.
std::uint64_t sum_of_lines(const fs::path& path, std::initializer_list<std::string_view> names) {
  std::ifstream file(path);
  std::uint64_t sum = 0;
  for (std::string line; std::getline(file, line);) {
    for (const std::string_view name : names) {
      if (line.starts_with(name) && line[name.size()] == ':') {
        sum += std::stoull(line.substr(name.size() + 1));
      }
    }
  }
  return sum;
}

constexpr int stopped_at_call = SIGTRAP | 0x80;
/// Between two looks whether something has stopped.
constexpr timespec rest = {.tv_sec = 0, .tv_nsec = 20'000};

/// Follows one process, and the threads that it has.
class Tracer {
 public:
  explicit Tracer(std::span<const pid_t> processes) {
    for (const pid_t process : processes) {
      for (const auto& thread : fs::directory_iterator(task_folder(process))) {
        seize({process, static_cast<pid_t>(std::stoi(thread.path().filename()))});
      }
    }
  }
  ~Tracer() {
    for (const Thread thread : threads_) let_go(thread);
  }
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  [[nodiscard]] bool has_all() const { return has_all_; }

  /// Until `is_over`, or until all have ended.
  std::uint64_t count(const std::function<bool()>& is_over) {
    std::uint64_t stops = 0;
    while (!is_over()) {
      siginfo_t stop = {};
      if (::waitid(P_ALL, 0, &stop, WSTOPPED | WNOHANG | __WALL) != 0) break;
      if (stop.si_pid == 0) {
        ::nanosleep(&rest, nullptr);
        continue;
      }
      const int signal = stop.si_status & 0xff;
      stops += signal == stopped_at_call;
      const bool is_ours = signal == stopped_at_call || stop.si_status >> 8 != 0;
      ::ptrace(PTRACE_SYSCALL, stop.si_pid, nullptr, is_ours ? 0 : signal);
    }
    return stops / 2;  // on the way in, and on the way out
  }

 private:
  static std::string task_folder(pid_t process) {
    return "/proc/" + std::to_string(process) + "/task";
  }

  struct Thread {
    pid_t process;
    pid_t id;
  };

  void seize(Thread thread) {
    if (::ptrace(PTRACE_SEIZE, thread.id, nullptr, PTRACE_O_TRACESYSGOOD) != 0) {
      has_all_ = false;
      return;
    }
    threads_.push_back(thread);
    if (stop(thread)) ::ptrace(PTRACE_SYSCALL, thread.id, nullptr, 0);
  }

  static void let_go(Thread thread) {
    if (stop(thread)) ::ptrace(PTRACE_DETACH, thread.id, nullptr, 0);
  }

  /// False: it has ended. The end of a process is left to whoever has started it. That of another
  /// thread is for its tracer alone, and until that has seen it the process does not end:
  /// ptrace(2), "Death under ptrace".
  static bool stop(Thread thread) {
    ::ptrace(PTRACE_INTERRUPT, thread.id, nullptr, nullptr);
    const int ends = thread.id == thread.process ? 0 : WEXITED;
    siginfo_t news = {};
    return ::waitid(P_PID, static_cast<id_t>(thread.id), &news, WSTOPPED | ends | __WALL) == 0 &&
           (news.si_code == CLD_TRAPPED || news.si_code == CLD_STOPPED);
  }

  std::vector<Thread> threads_;
  bool has_all_ = true;
};

}  // namespace

Usage usage_of(pid_t process) {
  clockid_t clock;
  timespec time;
  if (const int error = ::clock_getcpuclockid(process, &clock)) {
    throw std::system_error(error, std::generic_category(), "clock_getcpuclockid");
  }
  if (::clock_gettime(clock, &time) != 0) {
    throw std::system_error(errno, std::generic_category(), "clock_gettime");
  }
  Usage usage;
  usage.cpu = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    usage.switches += sum_of_lines(thread.path() / "status",
                                   {"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"});
  }
  return usage;
}

std::size_t own_bytes_of(pid_t process) {
  // What it was forked with and has not written to is its parent's. (The sums in its statm are kept
  // in batches: right to a quarter of a MiB.)
  const fs::path path = "/proc/" + std::to_string(process) + "/smaps_rollup";
  const std::uint64_t kibibytes = sum_of_lines(path, {"Private_Dirty"});
  if (kibibytes == 0) throw std::runtime_error("its process has ended");
  return 1024 * kibibytes;
}

std::size_t kernel_bytes() {
  return 1024 * sum_of_lines("/proc/meminfo", {"SUnreclaim", "KernelStack"});
}

std::optional<std::uint64_t> count_system_calls(std::span<const pid_t> processes,
                                                const std::function<void()>& begin,
                                                const std::function<bool()>& is_over) {
  Tracer tracer(processes);
  begin();
  const std::uint64_t calls = tracer.count(is_over);
  return tracer.has_all() ? std::optional(calls) : std::nullopt;
}

}  // namespace bench
