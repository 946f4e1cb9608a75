#include "os/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "os/file.h"
#include "os/seam.h"

namespace tincan::os {

std::atomic<std::uint32_t> forks_behind_us = 0;

namespace {

// Held over every fork, so that the child finds the list whole. Inside it no other lock is taken.
std::mutex registry_mutex;
CloseInChild* registry = nullptr;

/// Held while a program is started.
std::mutex spawn_mutex;

}  // namespace

void close_all_in_child() {
  for (CloseInChild* one = registry; one != nullptr; one = one->next_) one->descriptor_.reset();
}

namespace {

void before_fork() { registry_mutex.lock(); }

void after_fork_in_parent() { registry_mutex.unlock(); }

void after_fork_in_child() {
  forks_behind_us.fetch_add(1, std::memory_order_relaxed);
  close_all_in_child();
  registry_mutex.unlock();
  // The thread that may have held it is not here.
  new (&spawn_mutex) std::mutex;
}

[[maybe_unused]] const int fork_watched =
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);

}  // namespace

NoFork::NoFork() { registry_mutex.lock(); }

NoFork::~NoFork() { registry_mutex.unlock(); }

pid_t own_pid() { return ::getpid(); }

std::string environment(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? std::string() : std::string(value);
}

/// The caller holds the mutex.
void CloseInChild::enlist() {
  next_ = registry;
  if (next_ != nullptr) next_->previous_ = this;
  registry = this;
}

CloseInChild::CloseInChild(Descriptor descriptor) : descriptor_(std::move(descriptor)) {
  const std::lock_guard lock(registry_mutex);
  enlist();
}

CloseInChild::CloseInChild(CloseInChild&& other) noexcept {
  const std::lock_guard lock(registry_mutex);
  descriptor_ = std::move(other.descriptor_);
  enlist();
}

CloseInChild& CloseInChild::operator=(CloseInChild&& other) noexcept {
  const std::lock_guard lock(registry_mutex);
  descriptor_ = std::move(other.descriptor_);
  return *this;
}

CloseInChild::~CloseInChild() {
  const std::lock_guard lock(registry_mutex);
  (previous_ != nullptr ? previous_->next_ : registry) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

Descriptor CloseInChild::release() {
  const std::lock_guard lock(registry_mutex);
  return std::move(descriptor_);
}

void CloseInChild::reset(Descriptor descriptor) {
  const std::lock_guard lock(registry_mutex);
  descriptor_ = std::move(descriptor);
}

std::string program_of(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::string program = read_link_at(AT_FDCWD, folder + "/exe").value_or(std::string());
  if (program.empty()) {
    program = read_text(folder + "/comm");
    if (program.ends_with('\n')) program.pop_back();
  }
  std::ranges::replace_if(
      program, [](unsigned char byte) { return byte < ' ' || byte == 0x7f; }, '?');
  return program;
}

namespace {

// The socket's number in the child: SD_LISTEN_FDS_START.
constexpr int child_socket = 3;

/// What the two processes between us and the program may touch. All of it is made before the first
/// fork, for after it only async-signal-safe calls are allowed.
struct Plan {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  char listen_pid[32] = "LISTEN_PID=";
  int socket = -1;
  int report = -1;  ///< Written: the program's pid, then an errno if it could not be executed.
  int go = -1;      ///< Read: the end of it means that our parent has the program's pidfd.
};

/// Appends `number` in decimal; snprintf(3) is not async-signal-safe.
void append_number(char* text, pid_t number) {
  char digits[16];
  int count = 0;
  for (; number > 0; number /= 10) digits[count++] = static_cast<char>('0' + number % 10);
  text += std::strlen(text);
  while (count > 0) *text++ = digits[--count];
  *text = '\0';
}

void report(int descriptor, int number) {
  [[maybe_unused]] const auto written = ::write(descriptor, &number, sizeof number);
}

[[noreturn]] void become_program(Plan& plan) {
  char byte;
  while (::read(plan.go, &byte, 1) < 0 && errno == EINTR) {
  }
  // Above the socket's number, which may be the report's own.
  const int report_descriptor = ::fcntl(plan.report, F_DUPFD_CLOEXEC, child_socket + 1);
  const bool in_place = plan.socket == child_socket
                            ? ::fcntl(child_socket, F_SETFD, 0) == 0
                            : ::dup2(plan.socket, child_socket) == child_socket;
  const bool ready = report_descriptor >= 0 && in_place &&
                     ::close_range(child_socket + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0;
  if (ready) {
    append_number(plan.listen_pid, ::getpid());
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvpe(plan.arguments[0], plan.arguments.data(), plan.environment.data());
  }
  report(report_descriptor >= 0 ? report_descriptor : plan.report, errno);
  ::_exit(127);
}

/// The process in between: it ends at once, and so the program becomes an orphan.
[[noreturn]] void start_and_leave(Plan& plan) {
  const pid_t program = ::_Fork();
  if (program == 0) become_program(plan);
  report(plan.report, program < 0 ? -errno : program);
  ::_exit(0);
}

/// As _Fork, but never halfway through what others keep from a child.
pid_t fork_between() {
  const NoFork not_meanwhile;
  return ::_Fork();
}

/// The next number from `descriptor`; 0 at the end.
int next_report(int descriptor) {
  int number = 0;
  while (::read(descriptor, &number, sizeof number) < 0 && errno == EINTR) {
  }
  return number;
}

/// Somebody else's fork, on another thread, must not keep a pipe from ending.
struct Pipe {
  CloseInChild read;
  CloseInChild write;
};

Sys<void> open_pipe(Pipe& pipe) {
  if (const int error = before(Call::pipe)) return failed(error);
  int numbers[2];
  if (::pipe2(numbers, O_CLOEXEC) < 0) return failed();
  pipe.read.reset(Descriptor(numbers[0]));
  pipe.write.reset(Descriptor(numbers[1]));
  return {};
}

/// Our environment without variables of socket activation, which are for us; then those of `plan`.
void fill_environment(Plan& plan) {
  static char listen_fds[] = "LISTEN_FDS=1";
  static char listen_names[] = "LISTEN_FDNAMES=tincan";
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("LISTEN_")) plan.environment.push_back(*variable);
  }
  plan.environment.insert(plan.environment.end(),
                          {listen_fds, plan.listen_pid, listen_names, nullptr});
}

Sys<Descriptor> open_process(pid_t pid) {
  if (const int error = before(Call::pidfd)) return failed(error);
  // glibc 2.36 declares pidfd_open(2) without C linkage.
  const auto number = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (number < 0) return failed();
  return Descriptor(number);
}

}  // namespace

Sys<Child> spawn(std::span<const std::string> arguments, const Descriptor& socket) {
  // _Fork does not close what is registered: two starts at once would hold each other's pipes open.
  const std::lock_guard lock(spawn_mutex);
  Pipe reports;
  Pipe go;
  if (const auto opened = open_pipe(reports); !opened) return std::unexpected(opened.error());
  if (const auto opened = open_pipe(go); !opened) return std::unexpected(opened.error());
  Plan plan;
  for (const std::string& argument : arguments) {
    plan.arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  plan.arguments.push_back(nullptr);
  fill_environment(plan);
  plan.socket = socket.get();
  plan.report = reports.write.get();
  plan.go = go.read.get();

  if (const int error = before(Call::clone)) return failed(error);
  const pid_t between = fork_between();
  if (between < 0) return failed();
  if (between == 0) {
    // Our copy of the writing end would keep the program from ever seeing its end.
    ::close(go.write.get());
    start_and_leave(plan);
  }
  reports.write.reset();
  while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
  }
  const pid_t program = next_report(reports.read.get());
  if (program <= 0) return failed(program == 0 ? ECHILD : -program);
  auto process = open_process(program);  // it waits for us, so the pid is still its own
  go.write.reset();
  if (!process) return std::unexpected(process.error());
  if (const int error = next_report(reports.read.get()); error != 0) return failed(error);
  return Child{program, std::move(*process)};
}

}  // namespace tincan::os
