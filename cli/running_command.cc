#include "running_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "operator_log.h"
#include "output.h"
#include "sizes.h"
#include "tincan/limits.h"

namespace cli {

namespace {

/// From a deadline until a caller that did not ask for a longer grace has surely stopped waiting.
constexpr auto last_word = 10 * tincan::limits::verdict_grace;

/// Every variable that is ours to set, or that speaks to this process and not to its children.
constexpr std::string_view own_variables[] = {
    "TINCAN_METHOD=", "TINCAN_UID=", "TINCAN_GID=",     "TINCAN_PID=",
    "LISTEN_PID=",    "LISTEN_FDS=", "LISTEN_FDNAMES=", "NOTIFY_SOCKET="};

std::vector<std::string> environment_for(const tincan::Request& request) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const bool own = std::ranges::any_of(
        own_variables, [&](std::string_view name) { return text.starts_with(name); });
    if (!own) variables.emplace_back(text);
  }
  variables.push_back(fmt::format("TINCAN_METHOD={}", request.method()));
  const tincan::Peer& peer = request.peer();
  // Of an inherited connection the kernel knows who made it, not who calls.
  if (peer.inherited()) return variables;
  if (peer.uid()) variables.push_back(fmt::format("TINCAN_UID={}", *peer.uid()));
  if (peer.gid()) variables.push_back(fmt::format("TINCAN_GID={}", *peer.gid()));
  if (peer.pid()) variables.push_back(fmt::format("TINCAN_PID={}", *peer.pid()));
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// A file in memory with `payload`, to be read from its start. Nothing has to be fed to the
/// program while it runs, and one that does not read its stdin harms nobody.
tincan::Descriptor stdin_with(std::string_view payload) {
  tincan::Descriptor file(::memfd_create("tincan-request", MFD_CLOEXEC));
  if (!file) return file;
  if (const int error = write_all(file.get(), payload); error != 0) {
    errno = error;
    return {};
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

struct Pipe {
  tincan::Descriptor read;
  tincan::Descriptor write;
};

/// Empty, errno set, when it cannot be made. Only our end does not block.
Pipe open_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return {};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {tincan::Descriptor(ends[0]), tincan::Descriptor(ends[1])};
}

/// What the child needs; made before fork(2).
struct Launch {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  tincan::Descriptor input;
  Pipe output;
  Pipe error;
  pid_t parent = ::getpid();
};

[[noreturn]] void become_program(const Launch& launch) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) ::_exit(127);
  ::dup2(launch.input.get(), STDIN_FILENO);
  ::dup2(launch.output.write.get(), STDOUT_FILENO);
  ::dup2(launch.error.write.get(), STDERR_FILENO);
  if (::close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) != 0) {
    // Ours are closed all the same; what we were started with may be anybody's secret.
    ::dprintf(STDERR_FILENO, "cannot close what %s would inherit: %s\n", launch.arguments[0],
              std::strerror(errno));
    ::_exit(127);
  }
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvpe(launch.arguments[0], launch.arguments.data(), launch.environment.data());
  ::dprintf(STDERR_FILENO, "cannot run %s: %s\n", launch.arguments[0], std::strerror(errno));
  ::_exit(127);
}

/// Reads what is there, at most a turn's share. False once no more will come.
bool read_some(const tincan::Descriptor& pipe, std::string& bytes) {
  std::array<char, 64 * 1024> buffer;
  for (int share = 0; share < 16; ++share) {
    const ssize_t count = ::read(pipe.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return true;
}

/// The end says most, when it is long.
void keep_the_end(std::string& text) {
  if (text.size() <= 2 * tincan::limits::error_text_bytes_max) return;
  text.erase(0, text.size() - tincan::limits::error_text_bytes_max);
}

std::string how_it_ended(const std::string& name, int code, int status) {
  if (code == CLD_EXITED) return fmt::format("{} exited with status {}", name, status);
  return fmt::format("{} was killed by signal {} ({})", name, status, ::strsignal(status));
}

}  // namespace

bool nobody_waits(const tincan::Request& request) {
  if (request.one_way() || !request.abandoned()) return false;
  const auto deadline = request.deadline();
  const auto now = RunningCommand::Clock::now();
  return !deadline || now < *deadline || now >= *deadline + last_word;
}

std::unique_ptr<RunningCommand> RunningCommand::start(tincan::Request request,
                                                      const std::vector<std::string>& program) {
  std::unique_ptr<RunningCommand> command(new RunningCommand(std::move(request), program.front()));
  const int error = command->launch(program);
  if (error == 0) return command;
  const auto message = fmt::format("cannot start {}: {}", program.front(), std::strerror(error));
  const bool later_perhaps = command->pid_ < 0 && error != EINVAL;
  if (later_perhaps) {
    command->request_.decline(message);
  } else {
    command->request_.fail(message);
  }
  return nullptr;
}

int RunningCommand::launch(const std::vector<std::string>& program) {
  // A name with a NUL byte would reach the program cut short, as another name.
  if (request_.method().find('\0') != std::string_view::npos) return EINVAL;
  auto words = program;
  auto variables = environment_for(request_);
  Launch launch{.arguments = pointers_to(words), .environment = pointers_to(variables)};
  launch.input = stdin_with(request_.text());
  if (!launch.input) return errno;
  launch.output = open_pipe();
  if (!launch.output.read) return errno;
  launch.error = open_pipe();
  if (!launch.error.read) return errno;
  pid_ = ::fork();
  if (pid_ == 0) become_program(launch);
  if (pid_ < 0) return errno;
  ::setpgid(pid_, pid_);  // both sides do, so that it is done when either goes on
  process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!process_) return errno;
  out_.pipe = std::move(launch.output.read);
  error_.pipe = std::move(launch.error.read);
  return 0;
}

RunningCommand::~RunningCommand() {
  if (pid_ < 0) return;
  signal_group(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void RunningCommand::add_to(std::vector<pollfd>& polled) const {
  for (const auto* const descriptor : {&process_, &out_.pipe, &error_.pipe}) {
    if (*descriptor) polled.push_back({descriptor->get(), POLLIN, 0});
  }
}

std::optional<RunningCommand::Clock::time_point> RunningCommand::deadline() const {
  if (given_up_) return kill_at_;
  const auto deadline = request_.deadline();
  if (request_.one_way() || !deadline) return std::nullopt;
  return *deadline + last_word;
}

void RunningCommand::signal_group(int signal) const { ::kill(-pid_, signal); }

void RunningCommand::read_outputs() {
  if (out_.pipe && !read_some(out_.pipe, out_.bytes)) out_.pipe.reset();
  if (error_.pipe && !read_some(error_.pipe, error_.bytes)) error_.pipe.reset();
  keep_the_end(error_.bytes);
  if (out_.bytes.size() > tincan::limits::payload_bytes_max && !reply_too_large_) {
    reply_too_large_ = true;
    out_ = {};
    signal_group(SIGKILL);
  }
}

void RunningCommand::end_what_nobody_waits_for() {
  if (!given_up_ && nobody_waits(request_)) {
    given_up_ = true;
    kill_at_ = Clock::now() + kill_grace;
    signal_group(SIGTERM);
  }
  if (kill_at_ && Clock::now() >= *kill_at_) {
    kill_at_.reset();
    signal_group(SIGKILL);
  }
}

bool RunningCommand::process() {
  end_what_nobody_waits_for();
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT);
  // After the look: what the program wrote before it ended is all there. A process that it left
  // behind may hold the pipes open; that is not waited for.
  read_outputs();
  if (ended.si_pid == 0) return true;
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  answer(ended.si_code, ended.si_status);
  return false;
}

void RunningCommand::answer(int code, int status) {
  if (given_up_) {
    // For a caller whose grace is longer than `last_word`; others have gone.
    request_.fail(
        fmt::format("{} was ended, for its deadline had passed or its caller had given up", name_));
    return;
  }
  if (reply_too_large_) {
    request_.fail(fmt::format("the reply of {} is over {}", name_,
                              format_size(tincan::limits::payload_bytes_max)));
    return;
  }
  if (code == CLD_EXITED && status == 0) {
    // A warning of a program that did its work is for the operator.
    log_bytes(error_.bytes);
    request_.reply(out_.bytes);
    return;
  }
  std::string message = std::move(error_.bytes);
  while (message.ends_with('\n')) message.pop_back();
  if (message.empty() || code != CLD_EXITED) {
    if (!message.empty()) message += '\n';
    message += how_it_ended(name_, code, status);
  }
  // The library would keep the beginning.
  constexpr std::size_t bytes_max = tincan::limits::error_text_bytes_max;
  if (message.size() > bytes_max) message.erase(0, message.size() - bytes_max);
  constexpr int signal_base = 128;  // as a shell's $?
  request_.fail(message, code == CLD_EXITED ? status : signal_base + status);
}

}  // namespace cli
