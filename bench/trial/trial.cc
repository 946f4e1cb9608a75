#include "trial/trial.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "trial/child.h"
#include "trial/peer.h"
#include "trial/sides.h"
#include "ways/end.h"

namespace bench {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

volatile std::sig_atomic_t is_interrupted = 0;

namespace {

/// Chosen: a few hundred calls take a tenth of it.
constexpr auto tracing_max = std::chrono::seconds(1);

/// A signal that comes between a look at is_interrupted and poll(2) is seen so much later. Chosen.
constexpr int look_milliseconds = 100;

/// Those of a thread that has ended meanwhile are gone.
std::uint64_t switches_between(const Usage& before, const Usage& after) {
  return after.switches - std::min(before.switches, after.switches);
}

/// Why `done` cannot be what came of `order`; empty: it can.
std::string doubt(const Done& done, const Order& order) {
  if (done.operations != order.operations) {
    return "its process says that it did " + std::to_string(done.operations) +
           " operations in place of " + std::to_string(order.operations);
  }
  if (order.operations == 0) return {};  // a warm-up
  if (done.wall <= 0ns) return "its process says that a round took no time";
  const std::uint64_t times = done.times.count();
  if (times == 0 || times == done.operations) return {};
  return "its process has measured " + std::to_string(times) + " times of " +
         std::to_string(done.operations) + " operations";
}

/// Whether `control` can be read, or has ended, by now or within so many milliseconds.
bool has_news(int control, int milliseconds) {
  pollfd waited = {.fd = control, .events = POLLIN, .revents = 0};
  int count;
  while ((count = ::poll(&waited, 1, milliseconds)) < 0 && errno == EINTR) {
  }
  return count > 0;
}

}  // namespace

struct Trial::Process {
  pid_t pid;                ///< -1 once it has been reaped.
  bool was_killed = false;  ///< By somebody; not by the end of who reads what it writes.
  const int control;
  Process(pid_t its_pid, int its_control) : pid(its_pid), control(its_control) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    ::close(control);
    if (pid < 0) return;
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  [[nodiscard]] std::string how_it_ended();
};

/// Of one that has closed its end of `control`.
std::string Trial::Process::how_it_ended() {
  int status = 0;
  for (int looks = 0; looks < 100 && pid > 0; ++looks) {
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      pid = -1;
    } else {
      std::this_thread::sleep_for(10ms);
    }
  }
  if (pid > 0) return "its process says nothing any more";
  if (!WIFSIGNALED(status)) {
    return "its process has ended with status " + std::to_string(WEXITSTATUS(status));
  }
  was_killed = WTERMSIG(status) != SIGPIPE;
  const char* const name = ::sigabbrev_np(WTERMSIG(status));
  return "its process was killed by SIG" + std::string(name == nullptr ? "?" : name);
}

std::unique_ptr<Trial::Process> Trial::start(bool is_server, unsigned client) {
  int ends[2];
  demand(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  demand(pid >= 0, "fork");
  if (pid == 0) {
    begin_child(parent);
    ::close(ends[0]);
    become_side(is_server, client, ends[1]);
  }
  ::close(ends[1]);
  return std::make_unique<Process>(pid, ends[0]);
}

/// In the new process.
void Trial::become_side(bool is_server, unsigned client, int control) {
  try {
    place(placement_, is_server);
    if (!entry_.program.empty()) become_program(is_server, client, control);
    is_server ? run_server_side(*way_, control) : run_client_side(*way_, task_, client, control);
  } catch (const std::exception& failure) {
    send_error(control, failure.what());
    ::_exit(1);
  }
}

void Trial::become_program(bool is_server, unsigned client, int control) {
  demand(::dup2(control, peer_control) == peer_control, "dup2");
  std::vector<std::string> words = peer_arguments(entry_.program, task_, is_server, client);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(entry_.program.c_str(), pointers.data());
  demand(false, entry_.program.c_str());
  std::abort();
}

Trial::Trial(const WayEntry& way, const Task& task, Placement placement,
             std::chrono::milliseconds patience)
    : entry_(way), task_(task), placement_(placement), patience_(patience) {
  task_.directory = directory_.path();
  try {
    if (entry_.program.empty()) {
      way_ = entry_.make();
      way_->prepare(task_);
    }
    server_ = start(true, 0);
  } catch (const std::exception& failure) {
    give_up(failure.what());
  }
  [[maybe_unused]] const Done ready = hear(*server_);
  for (unsigned client = 0; client < task_.clients; ++client) {
    clients_.push_back(start(false, client));
    [[maybe_unused]] const Done connected = hear(*clients_.back());
  }
  pause();
}

Trial::~Trial() = default;

void Trial::give_up(const std::string& why) {
  clients_.clear();
  server_.reset();
  throw TrialFailed(entry_.name, why);
}

/// Why the server has ended, if it has: that is why its client fails.
std::string Trial::last_words_of_server() {
  if (!has_news(server_->control, 0)) return {};
  try {
    const auto end = std::chrono::steady_clock::now() + patience_;
    return receive_done(server_->control, [&] { wait_for(*server_, end); }).error;
  } catch (const TrialFailed&) {
    throw;
  } catch (const NoDone& what) {
    return what.what();
  } catch (const std::exception&) {
    return "the server has ended without a word: " + server_->how_it_ended();
  }
}

/// Returns when there is something to read of `process`; otherwise the trial is over.
void Trial::wait_for(const Process& process, std::chrono::steady_clock::time_point end) {
  // The server says nothing while all is well: when it does, it has ended.
  pollfd waited[2] = {{.fd = process.control, .events = POLLIN, .revents = 0},
                      {.fd = server_->control, .events = POLLIN, .revents = 0}};
  const bool is_client = &process != server_.get();
  int count = 0;
  while (count <= 0) {
    if (is_interrupted != 0) throw Interrupted();
    if (std::chrono::steady_clock::now() >= end) {
      give_up("nothing has come back for " + std::to_string(patience_.count() / 1000) +
              " s: given up");
    }
    count = ::poll(waited, is_client ? 2 : 1, look_milliseconds);
  }
  // Looked at again: one may end, and the other because of that, while poll(2) looks from the first
  // to the second.
  if (waited[0].revents != 0 || has_news(process.control, 0)) return;
  const std::string words = last_words_of_server();
  give_up("server: " + (words.empty() ? "it says something that nobody has asked" : words));
}

Done Trial::hear(Process& process) {
  const auto end = std::chrono::steady_clock::now() + patience_;
  const bool is_client = &process != server_.get();
  std::string error;
  try {
    Done done = receive_done(process.control, [&] { wait_for(process, end); });
    if (done.error.empty()) return done;
    error = done.error;
  } catch (const TrialFailed&) {
    throw;
  } catch (const NoDone& what) {
    error = what.what();
  } catch (const std::exception&) {
    error = process.how_it_ended();
    if (process.was_killed) give_up(error);  // and what its server says comes of that
  }
  const std::string reason = is_client ? last_words_of_server() : std::string();
  give_up(reason.empty() ? error : "server: " + reason);
}

void Trial::go_on() { ::kill(server_->pid, SIGCONT); }

/// Returns when it stands still.
void Trial::pause() {
  ::kill(server_->pid, SIGSTOP);
  siginfo_t ignored;
  ::waitid(P_PID, static_cast<id_t>(server_->pid), &ignored, WSTOPPED | WEXITED | WNOWAIT);
}

void Trial::give_order(const Order& order) {
  try {
    for (const auto& client : clients_) send_order(client->control, order);
  } catch (const std::system_error&) {
    // One has ended: whoever listens to it next finds out how.
  }
}

std::vector<Done> Trial::order_all(const Order& order) {
  give_order(order);
  std::vector<Done> all;
  for (const auto& client : clients_) {
    all.push_back(hear(*client));
    const std::string why = doubt(all.back(), order);
    if (!why.empty()) give_up(why);
  }
  return all;
}

Round Trial::run(std::uint64_t operations, double rate) {
  if (is_interrupted != 0) throw Interrupted();
  go_on();
  const Usage server_before = usage_of(server_->pid);
  std::vector<Usage> clients_before;
  for (const auto& client : clients_) clients_before.push_back(usage_of(client->pid));
  Round round;
  for (const Done& done : order_all({.operations = operations, .rate = rate})) {
    round.operations += done.operations;
    round.wall = std::max(round.wall, done.wall);
    round.times.add(done.times);
  }
  const Usage server_after = usage_of(server_->pid);
  round.server_cpu = server_after.cpu - server_before.cpu;
  round.switches = switches_between(server_before, server_after);
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const Usage after = usage_of(clients_[i]->pid);
    round.client_cpu += after.cpu - clients_before[i].cpu;
    round.switches += switches_between(clients_before[i], after);
  }
  if (task_.work == Work::idle) round.server_bytes = own_bytes_of(server_->pid);
  pause();
  return round;
}

std::uint64_t Trial::operations_in(nanoseconds time) {
  constexpr std::uint64_t operations_max = 100'000'000;
  std::uint64_t operations = 1;
  nanoseconds took = run(operations).wall;
  while (took < time / 8 && operations < operations_max) {
    operations *= 4;
    took = run(operations).wall;
  }
  const double scale =
      static_cast<double>(time.count()) / static_cast<double>(std::max(1l, took.count()));
  return std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(static_cast<double>(operations) * scale));
}

void Trial::warm_up() {
  if (task_.work == Work::idle) return;
  go_on();
  [[maybe_unused]] const auto done =
      order_all({.warm_up_milliseconds = entry_.warm_up_milliseconds});
  pause();
}

std::optional<double> Trial::system_calls_an_operation(std::uint64_t operations) {
  go_on();
  std::vector<pid_t> processes = {server_->pid};
  for (const auto& client : clients_) processes.push_back(client->pid);
  const auto begin = [&] { give_order({.operations = operations}); };
  const auto end = std::chrono::steady_clock::now() + tracing_max;
  const auto is_over = [&] {
    const auto has_done = [](const auto& client) { return has_news(client->control, 0); };
    return std::ranges::all_of(clients_, has_done) || std::chrono::steady_clock::now() > end;
  };
  const auto calls = count_system_calls(processes, begin, is_over);
  const bool in_time = std::chrono::steady_clock::now() <= end;
  for (const auto& client : clients_) [[maybe_unused]]
    const Done done = hear(*client);
  pause();
  if (!calls || !in_time) return std::nullopt;
  return static_cast<double>(*calls) / static_cast<double>(operations * clients_.size());
}

}  // namespace bench
