#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

#include "commands.h"
#include "json.h"
#include "output.h"
#include "tincan/stream.h"

namespace cli {

namespace {

struct BytesArguments {
  std::string address;
  ListenArguments listening;
  std::optional<std::chrono::nanoseconds> timeout;
  bool listen = false;
  bool verbose = false;
  bool json = false;
};

/// Carries bytes both ways between a stream and stdin and stdout, and never waits for one of them
/// alone: whoever is slow holds up only his own direction.
class Conversation {
 public:
  explicit Conversation(tincan::Stream& stream) : stream_(stream) {}

  /// Until both sides have said all, or the peer is gone.
  ExitCode run();

  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }

 private:
  /// A piece that was read and not yet written to where it goes.
  struct Direction {
    // One send(2) of this size does not block when poll(2) said POLLOUT, for the kernel asks for
    // room before it takes a buffer, not for all of it (net/core/sock.c, sock_alloc_send_pskb).
    std::array<char, 16 * 1024> bytes;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool ended = false;  ///< Nothing more comes in.

    [[nodiscard]] bool empty() const { return begin == end; }
    [[nodiscard]] bool done() const { return ended && empty(); }
    [[nodiscard]] std::string_view piece() const { return {bytes.data() + begin, end - begin}; }
  };

  [[nodiscard]] bool over() const {
    return incoming_.done() && outgoing_.empty() && (outgoing_.ended || peer_gone_);
  }
  ExitCode turn();
  ExitCode read_stdin();
  ExitCode read_stream();
  ExitCode write_stdout();
  ExitCode write_stream();
  ExitCode fail(const tincan::Failure& failure);

  tincan::Stream& stream_;
  Direction outgoing_;
  Direction incoming_;
  bool peer_gone_ = false;  ///< It takes nothing any more.
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

ExitCode Conversation::fail(const tincan::Failure& failure) {
  complain(failure);
  return exit_code_of(failure);
}

ExitCode Conversation::read_stdin() {
  const ssize_t count = ::read(STDIN_FILENO, outgoing_.bytes.data(), outgoing_.bytes.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return ExitCode::success;
  if (count < 0) {
    complain(fmt::format("cannot read stdin: {}", std::strerror(errno)));
    return ExitCode::failed;
  }
  outgoing_.begin = 0;
  outgoing_.end = static_cast<std::size_t>(count);
  if (count == 0) {
    outgoing_.ended = true;
    stream_.finish();
  }
  return ExitCode::success;
}

ExitCode Conversation::read_stream() {
  const auto read =
      stream_.read(std::as_writable_bytes(std::span(incoming_.bytes)), std::chrono::nanoseconds(0));
  if (!read && read.error().cause() == tincan::Cause::deadline) return ExitCode::success;
  if (!read) return fail(read.error());
  incoming_.begin = 0;
  incoming_.end = read->bytes;
  incoming_.ended = read->end;
  received_ += read->bytes;
  return ExitCode::success;
}

ExitCode Conversation::write_stdout() {
  // A pipe that is ready takes PIPE_BUF bytes without blocking (pipe(7)), perhaps no more.
  const std::string_view piece = incoming_.piece().substr(0, PIPE_BUF);
  const ssize_t count = ::write(STDOUT_FILENO, piece.data(), piece.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return ExitCode::success;
  if (count < 0) {
    complain(fmt::format("cannot write the output: {}", std::strerror(errno)));
    return ExitCode::failed;
  }
  incoming_.begin += static_cast<std::size_t>(count);
  return ExitCode::success;
}

ExitCode Conversation::write_stream() {
  const auto written = stream_.write(outgoing_.piece());
  if (!written) return fail(written.error());
  sent_ += outgoing_.piece().size();
  outgoing_.begin = outgoing_.end;
  return ExitCode::success;
}

ExitCode Conversation::turn() {
  const bool wants_stdin = outgoing_.empty() && !outgoing_.ended;
  const bool wants_stream = incoming_.empty() && !incoming_.ended;
  const short stream_events =
      static_cast<short>((wants_stream ? POLLIN : 0) | (outgoing_.empty() ? 0 : POLLOUT));
  // POLLHUP comes unasked and again at once: a stream that is gone is not looked at any more.
  pollfd ready[] = {{wants_stdin ? STDIN_FILENO : -1, POLLIN, 0},
                    {incoming_.empty() ? -1 : STDOUT_FILENO, POLLOUT, 0},
                    {peer_gone_ && stream_events == 0 ? -1 : stream_.fd(), stream_events, 0}};
  if (::poll(ready, std::size(ready), -1) < 0) return ExitCode::success;
  ExitCode code = ExitCode::success;
  if ((ready[2].revents & (POLLHUP | POLLERR)) != 0) peer_gone_ = true;
  if (ready[2].revents != 0 && wants_stream) code = read_stream();
  if (code == ExitCode::success && (ready[2].revents & POLLOUT) != 0) code = write_stream();
  if (code == ExitCode::success && ready[0].revents != 0) code = read_stdin();
  if (code == ExitCode::success && ready[1].revents != 0) code = write_stdout();
  return code;
}

ExitCode Conversation::run() {
  while (!over()) {
    if (const ExitCode code = turn(); code != ExitCode::success) return code;
  }
  return ExitCode::success;
}

ExitCode talk(const BytesArguments& arguments, tincan::Stream& stream) {
  if (arguments.verbose) {
    remark(fmt::format("* connected to {}: {}", arguments.address, stream.peer().describe()));
  }
  Conversation conversation(stream);
  const ExitCode code = conversation.run();
  if (arguments.json) {
    const Json json{{"address", arguments.address},
                    {"peer", json_of(stream.peer())},
                    {"sent_bytes", conversation.sent()},
                    {"received_bytes", conversation.received()},
                    {"exit_code", static_cast<int>(code)}};
    [[maybe_unused]] const int error = write_all(STDERR_FILENO, line_of(json));
  } else if (arguments.verbose) {
    remark(fmt::format("* sent {} bytes, received {} bytes", conversation.sent(),
                       conversation.received()));
  }
  return code;
}

/// On stderr, also as JSON: stdout belongs to the bytes.
ExitCode report_failure(const BytesArguments& arguments, const tincan::Failure& failure,
                        ExitCode code) {
  if (arguments.json) {
    [[maybe_unused]] const int error = write_all(STDERR_FILENO, line_of(json_of(failure, code)));
  } else {
    complain(failure);
  }
  return code;
}

ExitCode listen(const BytesArguments& arguments) {
  auto listener = tincan::Listener::listen(arguments.address, {.mode = arguments.listening.mode,
                                                               .group = arguments.listening.group,
                                                               .allow = arguments.listening.allow,
                                                               .backlog = 1,
                                                               .abstract = true});
  if (!listener) {
    return report_failure(arguments, listener.error(), exit_code_of_listening(listener.error()));
  }
  if (arguments.verbose) remark(fmt::format("* listening at {}", arguments.address));
  auto stream = listener->accept(arguments.timeout);
  if (!stream) return report_failure(arguments, stream.error(), exit_code_of(stream.error()));
  listener->close();
  return talk(arguments, *stream);
}

ExitCode run(const BytesArguments& arguments) {
  if (arguments.listen) return listen(arguments);
  auto stream = tincan::Stream::connect(
      arguments.address, arguments.timeout.value_or(tincan::limits::connect_deadline));
  if (!stream) return report_failure(arguments, stream.error(), exit_code_of(stream.error()));
  return talk(arguments, *stream);
}

}  // namespace

Command add_bytes(CLI::App& tool) {
  const auto arguments = std::make_shared<BytesArguments>();
  CLI::App* const app = add_command(
      tool, "bytes", "Talk raw: stdin to the socket, the socket to stdout", arguments->json);
  app->add_option("PATH", arguments->address, "The address, such as ./app.sock")->required();
  app->add_flag("--listen", arguments->listen, "Listen, and talk with the first who connects");
  arguments->listening.add_to(*app);
  add_duration(*app, "--timeout", arguments->timeout,
               "For connecting (default 1s); with --listen for somebody to connect");
  app->add_flag("-v,--verbose", arguments->verbose, "Tell on stderr about the peer and the bytes");
  return {app, [arguments] { return run(*arguments); }};
}

}  // namespace cli
