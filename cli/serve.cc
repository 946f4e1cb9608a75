#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "command_queue.h"
#include "commands.h"
#include "durations.h"
#include "json.h"
#include "notify.h"
#include "operator_log.h"
#include "output.h"
#include "serve_lines.h"
#include "signals.h"
#include "tincan/server.h"

namespace cli {

namespace {

using Clock = std::chrono::steady_clock;

struct ServeArguments {
  std::string address;
  ListenArguments listening;
  std::vector<std::string> methods;
  std::vector<std::string> program;
  std::uint64_t running_max = 32;
  std::optional<std::chrono::nanoseconds> drain;
  bool take_over = false;
  bool echo = false;
  bool json = false;
};

/// Drives a server, and the programs that answer for it, until it has drained.
class ServeLoop {
 public:
  ServeLoop(tincan::Server& server, CommandQueue& commands, tincan::Descriptor signals)
      : server_(server), commands_(commands), signals_(std::move(signals)) {}

  /// Returns how many calls it gave up in the end.
  std::size_t run() {
    while (!hurried_) {
      wait();
      if (!server_.process()) break;
      if (server_.draining()) commands_.drain();
      commands_.process();
    }
    return commands_.clear();
  }

 private:
  void wait() {
    polled_.clear();
    polled_.push_back({signals_.get(), POLLIN, 0});
    polled_.push_back({server_.fd(), server_.events(), 0});
    commands_.add_to(polled_);
    const auto time = time_left();
    ::ppoll(polled_.data(), polled_.size(), time ? &*time : nullptr, nullptr);
    if (polled_.front().revents != 0) take_stop();
  }

  [[nodiscard]] std::optional<timespec> time_left() const {
    auto first = server_.deadline();
    const auto other = commands_.deadline();
    if (other && (!first || *other < *first)) first = other;
    if (!first) return std::nullopt;
    return time_to_wait(*first - Clock::now());
  }

  /// The first signal drains; the second ends the drain.
  void take_stop() {
    take_signal(signals_);
    hurried_ = std::exchange(stopping_, true);
    notify_systemd("STOPPING=1");
    server_.stop();
    commands_.drain();  // before the next turn, which with --drain 0s is the last
  }

  tincan::Server& server_;
  CommandQueue& commands_;
  const tincan::Descriptor signals_;
  std::vector<pollfd> polled_;
  bool stopping_ = false;
  bool hurried_ = false;
};

void add_handlers(tincan::Server& server, const ServeArguments& arguments, CommandQueue& commands) {
  const auto handler = [&arguments, &commands](tincan::Request request) {
    if (!arguments.echo) return commands.add(std::move(request));
    request.reply(request.payload());
  };
  for (const std::string& method : arguments.methods) server.on(method, handler);
  if (arguments.methods.empty()) server.on_any(handler);
}

tincan::ServerOptions server_options(const ServeArguments& arguments) {
  tincan::ServerOptions options{.mode = arguments.listening.mode,
                                .group = arguments.listening.group,
                                .allow = arguments.listening.allow,
                                .take_over = arguments.take_over,
                                .abstract = true};
  if (arguments.drain) {
    options.drain_deadline = std::chrono::ceil<std::chrono::milliseconds>(*arguments.drain);
  }
  options.log = log_line;
  return options;
}

ExitCode serve(const ServeArguments& arguments, const tincan::Address& address) {
  const ServeLines lines(address, arguments.json);  // looks at what was inherited while it is ours
  auto signals = open_stop_signals();
  ::signal(SIGPIPE, SIG_IGN);  // who reads our lines may leave; the service goes on
  auto server = tincan::Server::listen(address, server_options(arguments));
  if (!server) {
    return report_here(server.error(), exit_code_of_listening(server.error()), arguments.json);
  }
  CommandQueue commands(arguments.program, arguments.running_max);
  add_handlers(*server, arguments, commands);
  // After a take-over the old server serves until the loop begins, so this may still fail.
  if (const ExitCode printed = lines.print_ready(); printed != ExitCode::success) return printed;
  notify_systemd("READY=1");
  const std::size_t unfinished = ServeLoop(*server, commands, std::move(signals)).run();
  return lines.print_drained(server->counts(), unfinished);
}

/// A directory passes access(2) too.
bool is_executable_file(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

/// Found before the path is claimed: a server that could only answer with errors helps nobody.
bool can_be_run(const std::string& program) {
  if (program.contains('/')) return is_executable_file(program);
  const char* const variable = ::getenv("PATH");
  std::string_view folders = variable != nullptr ? variable : "/usr/local/bin:/bin:/usr/bin";
  while (true) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    const std::string_view place = folder.empty() ? "." : folder;
    if (!program.empty() && is_executable_file(fmt::format("{}/{}", place, program))) return true;
    if (folder.size() == folders.size()) return false;
    folders.remove_prefix(folder.size() + 1);
  }
}

std::optional<std::string> what_is_wrong(const ServeArguments& arguments) {
  if (arguments.echo != arguments.program.empty()) {
    return "what should answer? Give either --echo or -- COMMAND ARG...";
  }
  if (!arguments.echo && !can_be_run(arguments.program.front())) {
    return fmt::format("{} is no program that can be run; check the name and its permissions",
                       arguments.program.front());
  }
  for (const std::string& method : arguments.methods) {
    if (method.empty() || method.size() > tincan::limits::method_bytes_max) {
      return fmt::format("--method: a name has 1 to {} bytes", tincan::limits::method_bytes_max);
    }
    if (method.starts_with("tincan.")) {
      return fmt::format("--method: {}: names that begin with tincan. are reserved", method);
    }
  }
  return std::nullopt;
}

/// CLI11 does not know what stands after "--".
class ServeFormatter : public CLI::Formatter {
 public:
  [[nodiscard]] std::string make_usage(const CLI::App* /*app*/,
                                       std::string /*name*/) const override {
    return "Usage: tincan serve [OPTIONS] PATH (--echo | -- COMMAND [ARG...])\n";
  }
};

ExitCode run(const ServeArguments& arguments) {
  if (const auto wrong = what_is_wrong(arguments)) {
    return report_usage(*wrong, "tincan serve", arguments.json);
  }
  const auto address = tincan::Address::parse(arguments.address);
  if (!address) return report_here(address.error(), ExitCode::usage, arguments.json);
  if (const auto missing = arguments.listening.what_is_missing(*address)) {
    return report_usage(*missing, "tincan serve", arguments.json);
  }
  return serve(arguments, *address);
}

}  // namespace

Command add_serve(CLI::App& tool, std::vector<std::string> program) {
  const auto arguments = std::make_shared<ServeArguments>();
  arguments->program = std::move(program);
  CLI::App* const app = add_command(
      tool, "serve", "Let a command answer calls: payload in, reply out", arguments->json);
  app->formatter(std::make_shared<ServeFormatter>());
  app->add_option("PATH", arguments->address, "Where to listen, such as ./app.sock")->required();
  app->add_flag("--echo", arguments->echo, "Answer each call with what it sent");
  arguments->listening.add_to(*app);
  app->add_flag("--take-over", arguments->take_over,
                "Take the path over from a running server that was started so too");
  app->add_option("--method", arguments->methods, "Serve this method only (repeatable)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  add_number(*app, "--max-running", arguments->running_max, 1, 4096,
             "Commands at once; more calls wait (default 32)");
  add_duration(*app, "--drain", arguments->drain,
               "On SIGTERM, how long calls under way may take (default 5s)");
  return {app, [arguments] { return run(*arguments); }};
}

}  // namespace cli
