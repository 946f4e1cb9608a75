#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <expected>
#include <memory>

#include "commands.h"
#include "durations.h"
#include "json.h"
#include "output.h"
#include "sizes.h"
#include "text.h"
#include "tincan/client.h"

namespace cli {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

struct CallArguments {
  std::string address;
  std::string method;
  std::string body;
  std::optional<nanoseconds> timeout;
  std::optional<uid_t> server_uid;
  bool dash_is_literal = false;
  bool verbose = false;
  bool json = false;
};

/// How long the two parts of a call took.
struct Times {
  nanoseconds connect{};
  nanoseconds call{};
};

/// All of stdin, or the errno. Stops at one byte more than any server takes, for it to be refused.
std::expected<std::string, int> read_stdin() {
  std::string bytes;
  std::size_t used = 0;
  while (used <= tincan::limits::payload_bytes_max) {
    bytes.resize(std::max<std::size_t>(2 * used, 64 * 1024));
    const ssize_t count = ::read(STDIN_FILENO, bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(errno);
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
  }
  bytes.resize(used);
  return bytes;
}

std::string_view transport_of(const tincan::Address& address) {
  switch (address.kind()) {
    case tincan::Address::Kind::exec:
      return "socket pair with a child";
    case tincan::Address::Kind::descriptor:
    case tincan::Address::Kind::systemd:
      return "inherited stream socket";
    case tincan::Address::Kind::path:
    case tincan::Address::Kind::abstract:
      break;
  }
  return "Unix stream socket";
}

/// The story of the call on stderr, told as curl -v does.
void tell_connected(const tincan::Client& client, nanoseconds took) {
  remark(fmt::format("* connected to {} in {}", client.address().text(), format_duration(took)));
  remark(fmt::format("* server: {}", client.peer().describe()));
  remark(fmt::format("* transport: {}", transport_of(client.address())));
}

ExitCode print_reply(const CallArguments& arguments, const tincan::Client& client,
                     const tincan::Reply& reply, const Times& times) {
  if (!arguments.json) return print_untrusted(reply.text());
  Json json{{"outcome", "reply"}, {"exit_code", 0}};
  const bool is_text = is_utf8(reply.text());
  json[is_text ? "reply" : "reply_base64"] =
      is_text ? std::string(reply.text()) : base64(reply.text());
  json["reply_bytes"] = reply.payload().size();
  json["request_bytes"] = arguments.body.size();
  json["connect_seconds"] = seconds_of(times.connect);
  json["call_seconds"] = seconds_of(times.call);
  json["transport"] = transport_of(client.address());
  json["server"] = json_of(client.peer());
  return print(line_of(json));
}

ExitCode report_failure(const CallArguments& arguments, const tincan::Failure& failure) {
  return report(failure, exit_code_of(failure), arguments.json);
}

/// A body that is too large is the one failure which the library cannot say what to do about.
tincan::Failure with_next_step(const CallArguments& arguments, const tincan::Failure& failure) {
  const bool too_large = failure.cause() == tincan::Cause::too_large;
  if (!too_large || failure.outcome() != tincan::Outcome::not_sent) return failure;
  return {failure.outcome(), failure.cause(),
          fmt::format("not sent: {}: {}; send less at once", arguments.address, failure.detail())};
}

/// What is left of --timeout for the call itself, once connected.
std::optional<nanoseconds> time_left(const CallArguments& arguments, nanoseconds spent) {
  if (!arguments.timeout) return std::nullopt;
  return std::max(*arguments.timeout - spent, nanoseconds(0));
}

ExitCode call(const CallArguments& arguments) {
  Times times;
  tincan::ClientOptions options{.server_uid = arguments.server_uid};
  if (arguments.timeout) options.connect_deadline = *arguments.timeout;
  auto started = Clock::now();
  if (arguments.verbose) remark(fmt::format("* connecting to {}", arguments.address));
  auto client = tincan::Client::connect(arguments.address, options);
  times.connect = Clock::now() - started;
  if (!client) return report_failure(arguments, client.error());

  const auto deadline = time_left(arguments, times.connect);
  if (arguments.verbose) {
    tell_connected(*client, times.connect);
    remark(fmt::format("> {}: {}, deadline in {}", arguments.method,
                       format_size(arguments.body.size()),
                       format_duration(deadline.value_or(options.deadline))));
  }
  started = Clock::now();
  const auto reply = client->call(arguments.method, arguments.body, {.deadline = deadline});
  times.call = Clock::now() - started;
  if (arguments.verbose) {
    remark(fmt::format("< {} in {}",
                       reply ? format_size(reply->payload().size()) : std::string("no reply"),
                       format_duration(times.call)));
  }
  if (!reply) return report_failure(arguments, with_next_step(arguments, reply.error()));
  return print_reply(arguments, *client, *reply, times);
}

ExitCode run(CallArguments& arguments) {
  if (arguments.body == "-" && !arguments.dash_is_literal) {
    auto body = read_stdin();
    if (!body) {
      const tincan::Failure failure(
          tincan::Cause::system,
          fmt::format("cannot read the body from stdin: {}", std::strerror(body.error())),
          body.error());
      return report(failure, ExitCode::failed, arguments.json);
    }
    arguments.body = std::move(*body);
  }
  return call(arguments);
}

}  // namespace

Command add_call(CLI::App& tool, bool dash_is_literal) {
  const auto arguments = std::make_shared<CallArguments>();
  arguments->dash_is_literal = dash_is_literal;
  CLI::App* const app =
      add_command(tool, "call", "Call a method and print the reply", arguments->json);
  app->add_option("PATH", arguments->address, "The server's address, such as ./app.sock")
      ->required();
  app->add_option("METHOD", arguments->method, "The method to call")->required();
  app->add_option("BODY", arguments->body, "What to send; - reads stdin (default: nothing)");
  add_timeout(*app, arguments->timeout, "For connecting and calling together (default: 1s and 5s)");
  add_server_uid(*app, arguments->server_uid);
  app->add_flag("-v,--verbose", arguments->verbose,
                "Tell on stderr about the server, the transport, sizes and time");
  return {app, [arguments] { return run(*arguments); }};
}

}  // namespace cli
