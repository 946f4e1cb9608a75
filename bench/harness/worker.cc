#include "harness/worker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>

namespace bench {

namespace {

std::int64_t nanoseconds_of(clockid_t clock) {
  timespec time;
  require(clock_gettime(clock, &time) == 0, "clock_gettime");
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// The most operations that one round can have; their samples' memory is touched beforehand.
constexpr std::size_t operations_max = 1 << 17;

}  // namespace

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, std::strerror(errno));
  std::exit(1);
}

Assignment::Assignment(int argc, char** argv) {
  const std::string letter = argc > 1 ? argv[1] : "";
  if (letter == "s") {
    placement = Placement::same;
  } else if (letter == "d") {
    placement = Placement::different;
  } else if (letter == "u") {
    placement = Placement::free;
  } else {
    std::fprintf(stderr, "usage: %s s|d|u [argument]; then a number of operations a line\n",
                 program_invocation_short_name);
    std::exit(2);
  }
  if (argc > 2) argument = argv[2];
}

std::size_t Assignment::number() const { return std::strtoul(argument.c_str(), nullptr, 10); }

SocketPath::SocketPath() {
  char directory[] = "/tmp/tincan-bench-XXXXXX";
  require(mkdtemp(directory) != nullptr, "mkdtemp");
  directory_ = directory;
  path_ = directory_ + "/socket";
}

SocketPath::~SocketPath() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

ServerProcess::ServerProcess(Placement placement,
                             const std::function<void(std::function<void()> ready)>& serve) {
  int pipe_ends[2];
  require(pipe(pipe_ends) == 0, "pipe");
  pid_ = fork();
  require(pid_ >= 0, "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(pipe_ends[0]);
    place(placement, true);
    serve([&] { require(write(pipe_ends[1], "r", 1) == 1, "write"); });
    _exit(0);
  }
  close(pipe_ends[1]);
  char letter;
  if (read(pipe_ends[0], &letter, 1) != 1) std::exit(1);  // it has said why
  close(pipe_ends[0]);
  place(placement, false);
}

ServerProcess::~ServerProcess() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

std::int64_t ServerProcess::cpu_time() const {
  clockid_t clock;
  require(clock_getcpuclockid(pid_, &clock) == 0, "clock_getcpuclockid");
  return nanoseconds_of(clock);
}

std::size_t ServerProcess::resident_bytes() const {
  std::FILE* const file = std::fopen(("/proc/" + std::to_string(pid_) + "/statm").c_str(), "re");
  require(file != nullptr, "/proc/PID/statm");
  unsigned long pages = 0;
  require(std::fscanf(file, "%*u %lu", &pages) == 1, "/proc/PID/statm");
  std::fclose(file);
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void run_rounds(const ServerProcess& server,
                const std::function<void(std::size_t operations, Samples& samples)>& round) {
  Samples samples(operations_max);
  Samples all;
  char line[32];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    const std::size_t operations = std::strtoul(line, nullptr, 10);
    if (operations == 0 || operations > operations_max) {
      std::fprintf(stderr, "a round has 1 to %zu operations\n", operations_max);
      std::exit(2);
    }
    samples.clear();
    const std::int64_t cpu_before = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID) + server.cpu_time();
    const std::int64_t start = now();
    samples.begin();
    round(operations, samples);
    const std::int64_t wall = now() - start;
    const std::int64_t cpu =
        nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID) + server.cpu_time() - cpu_before;
    std::printf("{\"operations\": %zu, \"wall\": %lld, \"cpu\": %lld, \"p50\": %u}\n", operations,
                static_cast<long long>(wall), static_cast<long long>(cpu), samples.quantile(0.5));
    std::fflush(stdout);
    all.add(samples);
  }
  std::printf("{\"p50\": %u, \"p99\": %u, \"p999\": %u}\n", all.quantile(0.5), all.quantile(0.99),
              all.quantile(0.999));
}

}  // namespace bench
