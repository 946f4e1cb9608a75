#include "trial/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "trial/child.h"
#include "trial/sides.h"
#include "ways/opened.h"

namespace bench {

namespace {

constexpr const char* greeting = "tincan-bench-peer 1";

std::string number_of(Work work) { return std::to_string(static_cast<int>(work)); }

int describe(const WayEntry& entry) {
  std::cout << greeting << '\n' << entry.name << '\n' << entry.does << '\n';
  for (const Work work : entry.works) std::cout << number_of(work) << ' ';
  std::cout << '\n'
            << entry.bytes_min << ' ' << entry.bytes_max << ' ' << entry.warm_up_milliseconds << ' '
            << entry.is_alone << '\n';
  return std::cout.flush() ? 0 : 1;
}

// A program that is no peer may say anything, or nothing for ever. Chosen, not tuned.
constexpr std::size_t description_bytes_max = 64 * 1024;
constexpr auto description_patience = std::chrono::seconds(5);

/// In a new process: `program describe`, and what it says goes to `out`.
[[noreturn]] void become_description(const char* program, int out) {
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (::dup2(nothing, STDIN_FILENO) == STDIN_FILENO &&
      ::dup2(out, STDOUT_FILENO) == STDOUT_FILENO &&
      ::dup2(nothing, STDERR_FILENO) == STDERR_FILENO) {
    ::execl(program, program, "describe", nullptr);
  }
  ::_exit(127);
}

/// All that comes out of `pipe` until its other end is closed. Empty: it is too much, or too late.
std::string read_description(int pipe) {
  const auto end = std::chrono::steady_clock::now() + description_patience;
  std::string output;
  char bytes[512];
  while (output.size() <= description_bytes_max) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd waited = {.fd = pipe, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&waited, 1, static_cast<int>(left.count())) <= 0) return {};
    const ssize_t count = ::read(pipe, bytes, sizeof bytes);
    if (count == 0) return output;
    if (count < 0) return {};
    output.append(bytes, static_cast<std::size_t>(count));
  }
  return {};
}

std::string output_of(const std::string& program) {
  int ends[2];
  demand(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
  const Descriptor in(ends[0]);
  Descriptor out(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  demand(process >= 0, "fork");
  if (process == 0) {
    begin_child(parent);
    become_description(program.c_str(), out.get());
  }
  out.reset();
  std::string output = read_description(in.get());
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  return output;
}

}  // namespace

std::vector<std::string> peer_arguments(const std::string& program, const Task& task,
                                        bool is_server, unsigned client) {
  return {program,
          is_server ? "server" : "client",
          number_of(task.work),
          std::to_string(task.bytes),
          std::to_string(task.clients),
          task.directory,
          std::to_string(client)};
}

int run_peer(int argc, char** argv, const WayEntry& entry) {
  if (argc == 2 && std::strcmp(argv[1], "describe") == 0) return describe(entry);
  if (argc != 7) {
    std::cerr << argv[0] << ": started by `tincan bench --peers`\n";
    return 2;
  }
  const Task task = {.work = static_cast<Work>(std::atoi(argv[2])),
                     .bytes = std::strtoull(argv[3], nullptr, 10),
                     .clients = static_cast<unsigned>(std::atoi(argv[4])),
                     .directory = argv[5]};
  const auto way = entry.make();
  way->prepare(task);
  if (std::strcmp(argv[1], "server") == 0) run_server_side(*way, peer_control);
  run_client_side(*way, task, static_cast<unsigned>(std::atoi(argv[6])), peer_control);
}

std::optional<WayEntry> describe_peer(const std::string& program) {
  std::istringstream lines(output_of(program));
  std::string line;
  if (!std::getline(lines, line) || line != greeting) return std::nullopt;
  WayEntry entry;
  std::getline(lines, entry.name);
  std::getline(lines, entry.does);
  std::getline(lines, line);
  std::istringstream works(line);
  for (int work; works >> work;) entry.works.push_back(static_cast<Work>(work));
  lines >> entry.bytes_min >> entry.bytes_max >> entry.warm_up_milliseconds >> entry.is_alone;
  if (!lines) return std::nullopt;
  entry.program = program;
  return entry;
}

}  // namespace bench
