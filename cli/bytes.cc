#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <memory>

#include "commands.h"
#include "conversation.h"
#include "durations.h"
#include "json.h"
#include "output.h"
#include "signals.h"
#include "sizes.h"
#include "tincan/stream.h"

namespace cli {

namespace {

struct BytesArguments {
  std::string address;
  ListenArguments listening;
  std::optional<std::chrono::nanoseconds> timeout;
  std::optional<uid_t> server_uid;
  bool listen = false;
  bool verbose = false;
  bool json = false;
};

/// Where JSON goes: stdout belongs to the bytes.
constexpr int lines_to = STDERR_FILENO;

ExitCode report_failure(const BytesArguments& arguments, const tincan::Failure& failure) {
  return report(failure, exit_code_of(failure), arguments.json, lines_to);
}

ExitCode talk(const BytesArguments& arguments, tincan::Stream& stream) {
  if (arguments.verbose) {
    remark(fmt::format("* connected to {}: {}", arguments.address, stream.peer().describe()));
  }
  Conversation conversation(stream, arguments.address);
  const auto done = conversation.run();
  const ExitCode code = done ? ExitCode::success : done.error().code;
  if (arguments.json) {
    Json json{{"address", arguments.address},
              {"peer", json_of(stream.peer())},
              {"sent_bytes", conversation.sent()},
              {"received_bytes", conversation.received()}};
    if (!done) {
      json.update({{"outcome", tincan::name(done.error().outcome)},
                   {"cause", tincan::name(done.error().cause)},
                   {"message", done.error().message}});
    }
    json["exit_code"] = static_cast<int>(code);
    [[maybe_unused]] const int error = write_all(lines_to, line_of(json));
    return code;
  }
  if (!done) complain(done.error().message);
  if (arguments.verbose) {
    remark(fmt::format("* sent {}, received {}", format_size(conversation.sent()),
                       format_size(conversation.received())));
  }
  return code;
}

/// Waits for the first who may connect. A signal ends the process, and leaves no socket file.
tincan::Result<tincan::Stream> accept_first(tincan::Listener& listener, tincan::Deadline timeout,
                                            const tincan::Descriptor& signals) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  while (true) {
    pollfd ready[] = {{signals.get(), POLLIN, 0}, {listener.fd(), POLLIN, 0}};
    std::optional<timespec> time;
    if (timeout) time = time_to_wait(*timeout - (Clock::now() - start));
    const int count = ::ppoll(ready, std::size(ready), time ? &*time : nullptr, nullptr);
    if (ready[0].revents != 0) {
      listener.close();
      end_by(take_signal(signals));
    }
    if (count < 0) continue;  // EINTR
    // Who may not connect is turned away, which leaves nobody.
    auto stream = listener.accept(std::chrono::nanoseconds(0));
    if (stream || count == 0 || stream.error().cause() != tincan::Cause::deadline) return stream;
  }
}

ExitCode listen(const BytesArguments& arguments) {
  const auto address = tincan::Address::parse(arguments.address);
  if (!address) return report_here(address.error(), ExitCode::usage, arguments.json, lines_to);
  if (const auto missing = arguments.listening.what_is_missing(*address)) {
    return report_usage(*missing, "tincan bytes", arguments.json, lines_to);
  }
  const auto signals = open_stop_signals();
  auto listener = tincan::Listener::listen(*address, {.mode = arguments.listening.mode,
                                                      .group = arguments.listening.group,
                                                      .allow = arguments.listening.allow,
                                                      .backlog = 1,
                                                      .abstract = true});
  if (!listener) {
    const ExitCode code = exit_code_of_listening(listener.error());
    return report_here(listener.error(), code, arguments.json, lines_to);
  }
  if (arguments.verbose) remark(fmt::format("* listening at {}", arguments.address));
  auto stream = accept_first(*listener, arguments.timeout, signals);
  if (!stream) return report_failure(arguments, stream.error());
  listener->close();
  restore_stop_signals();
  return talk(arguments, *stream);
}

ExitCode run(const BytesArguments& arguments) {
  if (arguments.listen) return listen(arguments);
  auto stream = tincan::Stream::connect(
      arguments.address, arguments.timeout.value_or(tincan::limits::connect_deadline),
      arguments.server_uid);
  if (!stream) return report_failure(arguments, stream.error());
  return talk(arguments, *stream);
}

}  // namespace

Command add_bytes(CLI::App& tool) {
  const auto arguments = std::make_shared<BytesArguments>();
  CLI::App* const app = add_command(
      tool, "bytes", "Talk raw: stdin to the socket, the socket to stdout", arguments->json);
  app->add_option("PATH", arguments->address, "The address, such as ./app.sock")->required();
  CLI::Option* const listen =
      app->add_flag("--listen", arguments->listen, "Listen, and talk with the first who connects");
  for (CLI::Option* const option : arguments->listening.add_to(*app)) option->needs(listen);
  add_server_uid(*app, arguments->server_uid)->excludes(listen);
  add_timeout(*app, arguments->timeout,
              "For connecting (default 1s); with --listen for somebody to connect");
  app->add_flag("-v,--verbose", arguments->verbose, "Tell on stderr about the peer and the bytes");
  return {app, [arguments] { return run(*arguments); }};
}

}  // namespace cli
