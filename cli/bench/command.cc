#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "bench/arguments.h"
#include "commands.h"
#include "durations.h"
#include "sizes.h"

// The options of `tincan bench`.

namespace cli {

using bench::Placement;
using BenchWords = std::vector<std::string>;

namespace {

/// "one,two" or two options: each part of it.
BenchWords parts_of(const BenchWords& texts) {
  BenchWords parts;
  for (const std::string& text : texts) {
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      parts.push_back(text.substr(at, comma - at));
      at = comma + 1;
    }
  }
  return parts;
}

/// An option that takes a list; `read` makes a value of a part of it, or nothing.
template <class T, class Read>
void add_list(CLI::App& app, const std::string& name, std::vector<T>& values, Read read,
              const std::string& wanted, const std::string& type, const std::string& description) {
  const auto take = [name, &values, read, wanted](const BenchWords& texts) {
    for (const std::string& part : parts_of(texts)) {
      const auto value = read(part);
      if (!value) {
        throw CLI::ValidationError(name, fmt::format("{} is not {}", part, wanted));
      }
      values.push_back(*value);
    }
  };
  app.add_option_function<BenchWords>(name, take, description)
      ->type_name(type)
      ->allow_extra_args(false);
}

std::optional<Placement> placement_named(const std::string& name) {
  if (name == "different") return Placement::different;
  if (name == "same") return Placement::same;
  if (name == "free") return Placement::free;
  return std::nullopt;
}

std::optional<std::uint64_t> message_size(const std::string& text) {
  constexpr std::uint64_t payload_bytes_max = std::uint64_t{4} << 30;
  const auto size = parse_size(text);
  return size && *size >= 1 && *size <= payload_bytes_max ? size : std::nullopt;
}

std::optional<double> number_of(const std::string& text, double least, double most) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool is_number = !text.empty() && *end == '\0' && value >= least && value <= most;
  return is_number ? std::optional(value) : std::nullopt;
}

std::optional<unsigned> client_count(const std::string& text) {
  const auto count = number_of(text, 1, 256);
  if (!count || *count != static_cast<double>(static_cast<unsigned>(*count))) return std::nullopt;
  return static_cast<unsigned>(*count);
}

void add_choice(CLI::App& app, BenchChoice& choice) {
  add_list(
      app, "--work", choice.works, [](const std::string& text) { return work_named(text); },
      "round-trip, one-way, fan-in, set-up, payload or idle", "WORK",
      "What to measure: round-trip, one-way, fan-in, set-up, payload, idle");
  add_list(app, "-s,--size", choice.sizes, message_size,
           "a size of 1 byte to 4 GiB; write it as 100, 1KiB or 64KiB", "SIZE",
           "Of messages (default 1KiB, and others)");
  add_list(app, "--placement", choice.placements, placement_named, "different, same or free",
           "WHERE", "different CPUs, the same one, or free");
  add_list(app, "--clients", choice.clients, client_count, "a number of clients, 1 to 256", "N",
           "Of a fan-in (default 4)");
  add_list(
      app, "--rate", choice.rates, [](const std::string& text) { return number_of(text, 1, 1e7); },
      "a rate of 1 to 10000000 a second", "N",
      "Round trips begun by the clock, so many a second, whatever the ones before take");
  add_list(
      app, "--ways", choice.ways,
      [](const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); },
      "a part of a name", "NAME", "Only those whose name has this part; see --list");
  app.add_option("--baseline", choice.baseline, "What the others are measured against")
      ->type_name("NAME");
  app.add_flag("--load", choice.load, "Round trips also beside a busy process on each CPU");
}

void add_times(CLI::App& app, BenchChoice& choice) {
  const auto take_rounds = [&choice](const std::string& text) {
    const auto rounds = number_of(text, 1, 10'000);
    if (!rounds) throw CLI::ValidationError("--rounds", text + " is not a number from 1 to 10000");
    choice.rounds = static_cast<std::uint64_t>(*rounds);
  };
  app.add_option_function<std::string>("--rounds", take_rounds,
                                       "Of each table (default 11; --quick 5, --full 20)")
      ->type_name("N");
  add_duration(app, "--round-time", choice.round_time,
               "Of each row in a round (default 15ms; --quick 8ms, --full 20ms)");
}

void add_results(CLI::App& app, BenchArguments& arguments) {
  app.add_flag("--csv", arguments.csv, "Print results as comma-separated values");
  app.add_option("--compare", arguments.compare_with, "Say what differs from earlier --json output")
      ->type_name("FILE");
  app.add_option("--report", arguments.report_to,
                 "Write DIR/index.html, with plots (needs gnuplot, but no network)")
      ->type_name("DIR");
  app.add_option("--from", arguments.read_from, "Measure nothing: show earlier --json output")
      ->type_name("FILE");
}

}  // namespace

Command add_bench(CLI::App& tool, std::string command) {
  const auto arguments = std::make_shared<BenchArguments>();
  arguments->command = std::move(command);
  CLI::App* const app = add_command(
      tool, "bench", "Measure every way in which two processes can talk", arguments->json);
  CLI::Option* const quick =
      app->add_flag("--quick", arguments->quick, "A few tables, in under 15 seconds");
  app->add_flag("--full", arguments->full, "All tables, in under 20 minutes")->excludes(quick);
  add_choice(*app, arguments->choice);
  add_times(*app, arguments->choice);
  app->add_flag("--peers", arguments->peers, "Libraries too: those that were built as peers");
  app->add_option("--peers-from", arguments->peers_from, "Where their programs lie")
      ->type_name("DIR");
  add_results(*app, *arguments);
  app->add_flag("--list", arguments->list, "List the ways, and measure nothing");
  return {app, [arguments] {
            using enum BenchChoice::Extent;
            arguments->choice.extent = arguments->quick  ? BenchChoice::Extent::quick
                                       : arguments->full ? BenchChoice::Extent::full
                                                         : usual;
            if (!arguments->peers_from.empty()) arguments->peers = true;
            return run_bench(*arguments);
          }};
}

}  // namespace cli
