#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>

#include "commands.h"
#include "durations.h"
#include "json.h"
#include "output.h"
#include "ping_statistics.h"
#include "signals.h"
#include "sizes.h"
#include "tincan/client.h"

namespace cli {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr std::uint64_t default_bytes = 56;  // as ping(8)

struct PingArguments {
  std::string address;
  std::uint64_t count = UINT64_MAX;  ///< As good as for ever.
  std::uint64_t size = default_bytes;
  nanoseconds interval = std::chrono::seconds(1);
  std::optional<nanoseconds> timeout;
  std::optional<uid_t> server_uid;
  tincan::Transport transport = tincan::Transport::automatic;
  bool flood = false;
  bool json = false;
};

/// Makes each payload differ from the last, so that an old or mixed-up reply is noticed.
void stamp(std::string& payload, std::uint64_t sequence) {
  std::memcpy(payload.data(), &sequence, std::min(payload.size(), sizeof sequence));
}

std::string pattern(std::uint64_t size) {
  std::string payload(size, '\0');
  for (std::size_t place = 0; place < size; ++place) payload[place] = static_cast<char>(place);
  return payload;
}

tincan::Failure wrong_reply(std::string_view sent, std::string_view received) {
  const auto differing = std::ranges::mismatch(sent, received).in1 - sent.begin();
  return {tincan::Outcome::unknown, tincan::Cause::breach,
          fmt::format("the reply of {} is not what was sent ({}): they differ at byte {}",
                      format_size(received.size()), format_size(sent.size()), differing)};
}

/// Calls once and adds what came of it.
void ping_once(const PingArguments& arguments, tincan::Client& client, std::string& payload,
               std::uint64_t sequence, PingStatistics& statistics) {
  stamp(payload, sequence);
  const auto started = Clock::now();
  const auto reply =
      client.call("tincan.ping", payload, {.deadline = arguments.timeout, .idempotent = true});
  const nanoseconds took = Clock::now() - started;
  if (!reply) return statistics.add(sequence, reply.error());
  if (reply->text() != payload) {
    return statistics.add(sequence, wrong_reply(payload, reply->text()));
  }
  std::string line;
  if (!arguments.flood && !arguments.json) {
    line = fmt::format("{} from {}: seq={} time={}", format_size(payload.size()), arguments.address,
                       sequence, format_duration(took));
  }
  statistics.add(took, line, client.ring_bytes());
}

void sleep_until(Clock::time_point moment) {
  const auto since_epoch = moment.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const timespec time{seconds.count(), nanoseconds(since_epoch - seconds).count()};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

void ping_all(const PingArguments& arguments, tincan::Client& client, PingStatistics& statistics) {
  std::string payload = pattern(arguments.size);
  const nanoseconds interval = arguments.flood ? nanoseconds(0) : arguments.interval;
  auto next = Clock::now();
  for (std::uint64_t sequence = 1; sequence <= arguments.count; ++sequence) {
    if (sequence > 1 && interval.count() > 0) sleep_until(next);
    next = std::max(next + interval, Clock::now());
    ping_once(arguments, client, payload, sequence, statistics);
  }
}

ExitCode run(const PingArguments& arguments) {
  tincan::ClientOptions options{.server_uid = arguments.server_uid,
                                .transport = arguments.transport};
  if (arguments.timeout) options.connect_deadline = *arguments.timeout;
  auto client = tincan::Client::connect(arguments.address, options);
  if (!client) return report(client.error(), exit_code_of(client.error()), arguments.json);
  if (!arguments.json) {
    const ExitCode printed =
        print_line(fmt::format("PING {} ({}): {} a call", arguments.address,
                               client->peer().describe(), format_size(arguments.size)));
    if (printed != ExitCode::success) return printed;
  }
  auto signals = open_stop_signals();
  const auto statistics =
      std::make_shared<PingStatistics>(arguments.address, client->peer(), arguments.json);
  // A call may wait for a server that has stopped; Ctrl-C is answered all the same.
  std::thread([statistics, signals = std::move(signals)] {
    take_signal(signals);
    statistics->report_and_exit();
  }).detach();
  ping_all(arguments, *client, *statistics);
  return statistics->report();
}

void add_interval(CLI::App& app, nanoseconds& interval) {
  const auto take = [&interval](const std::string& text) {
    const auto duration = parse_seconds(text);
    if (!duration) {
      throw CLI::ValidationError(
          "--interval",
          fmt::format("{} is no number of seconds; write it as 1, 0.2 or 200ms", text));
    }
    interval = *duration;
  };
  app.add_option_function<std::string>("-i,--interval", take,
                                       "From one call to the next (default 1)")
      ->type_name("SECONDS");
}

void add_transport(CLI::App& app, tincan::Transport& transport) {
  using tincan::Transport;
  static constexpr std::pair<std::string_view, Transport> transports[] = {
      {"socket", Transport::socket}, {"ring", Transport::ring}, {"auto", Transport::automatic}};
  const auto take = [&transport](const std::string& text) {
    for (const auto& [name, one] : transports) {
      if (text == name) return transport = one, void();
    }
    throw CLI::ValidationError("--transport",
                               fmt::format("{} is no transport; write socket, ring or auto", text));
  };
  app.add_option_function<std::string>(
         "--transport", take,
         "socket; ring: in shared memory, or fail; auto: a ring while there is enough traffic "
         "(default)")
      ->type_name("socket|ring|auto");
}

}  // namespace

Command add_ping(CLI::App& tool) {
  const auto arguments = std::make_shared<PingArguments>();
  CLI::App* const app =
      add_command(tool, "ping", "Measure how long a server takes to answer", arguments->json);
  app->add_option("PATH", arguments->address, "The server's address, such as ./app.sock")
      ->required();
  add_number(*app, "-c,--count", arguments->count, 1, UINT64_MAX,
             "End after so many calls (default: on Ctrl-C)");
  add_size(*app, "-s,--size", arguments->size, tincan::limits::payload_bytes_max,
           "What to send (default 56)");
  add_interval(*app, arguments->interval);
  app->add_flag("--flood", arguments->flood, "Call without pause, and print the statistics only");
  add_timeout(*app, arguments->timeout, "For each call (default 5s)");
  add_transport(*app, arguments->transport);
  add_server_uid(*app, arguments->server_uid);
  return {app, [arguments] { return run(*arguments); }};
}

}  // namespace cli
