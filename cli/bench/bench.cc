#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "bench/arguments.h"
#include "bench/machine.h"
#include "bench/measure.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/table.h"
#include "output.h"
#include "text.h"
#include "tincan/tincan.h"
#include "trial/open_files.h"
#include "trial/peer.h"
#include "trial/trial.h"

namespace cli {

using BenchWords = std::vector<std::string>;

namespace {

namespace fs = std::filesystem;

/// Where the build, or an installation, has the programs of peers.
std::vector<fs::path> peer_folders(const BenchArguments& arguments) {
  if (!arguments.peers_from.empty()) return {arguments.peers_from};
  std::error_code unknown;
  const fs::path folder = fs::read_symlink("/proc/self/exe", unknown).parent_path();
  if (unknown) return {};  // not the working directory, which may be anybody's
  return {folder / "bench/peers", folder.parent_path() / "peers/bench/peers",
          folder.parent_path() / "libexec/tincan/peers"};
}

/// Those that can be run, in the order of their names.
std::vector<bench::WayEntry> find_peers(const BenchArguments& arguments) {
  std::vector<bench::WayEntry> peers;
  for (const fs::path& folder : peer_folders(arguments)) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder, missing)) {
      if (!entry.is_regular_file() || ::access(entry.path().c_str(), X_OK) != 0) continue;
      if (auto peer = bench::describe_peer(entry.path())) peers.push_back(std::move(*peer));
    }
    if (!peers.empty()) break;
  }
  std::ranges::sort(peers, {}, &bench::WayEntry::name);
  return peers;
}

ExitCode no_peers(const BenchArguments& arguments) {
  if (peer_folders(arguments).empty()) {
    complain("where this program lies cannot be found out: /proc is missing; say --peers-from");
    return ExitCode::failed;
  }
  BenchWords folders;
  for (const fs::path& folder : peer_folders(arguments)) folders.push_back(folder);
  complain(
      fmt::format("no peers in {}; build them: scripts/packages peers && cmake --preset peers "
                  "&& cmake --build --preset peers",
                  fmt::join(folders, ", ")));
  return ExitCode::failed;
}

ExitCode list_ways(const std::vector<bench::WayEntry>& ways) {
  std::string text;
  for (const bench::WayEntry& way : ways) {
    BenchWords works;
    for (const bench::Work work : way.works) works.push_back(name_of(work));
    text += fmt::format("{:<22}{}\n{:22}{}\n", escaped_line(way.name), escaped_line(way.does), "",
                        fmt::join(works, ", "));
  }
  return print(text);
}

std::string date_now() {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::time_t time = std::chrono::system_clock::to_time_t(now);
  std::tm utc = {};
  ::gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

void begin_ending(int) { bench::is_interrupted = 1; }

/// From now on Ctrl-C ends what is being measured, which cleans up behind itself; a second one ends
/// all. (When the reader of our output leaves, nothing is under way: tables are printed between
/// trials.)
void take_signals() {
  struct sigaction action = {};
  action.sa_handler = begin_ending;  // without SA_RESTART: waiting ends too
  action.sa_flags = SA_RESETHAND;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    ::sigaction(signal, nullptr, &before);
    // nohup(1) and its kin mean what they say.
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
}

/// Measures all tables; each is printed when it is there, unless it is for programs.
Json measure_all(const BenchArguments& arguments, const Plan& plan) {
  Json results = {{"tincan", TINCAN_VERSION},     {"date", date_now()},
                  {"command", arguments.command}, {"machine", describe_machine()},
                  {"remarks", plan.remarks},      {"tables", Json::array()}};
  const StolenTime stolen;
  Progress progress;
  std::vector<Measurement> tables;
  for (const PlannedTable& table : plan.tables) tables.emplace_back(table, plan);
  for (unsigned pass = 0; pass < plan.passes; ++pass) {
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const std::string title = title_of(head_of(plan.tables[i]));
      const double before = static_cast<double>(pass * tables.size() + i);
      tables[i].run_pass(pass, [&](double done, const std::string& doing) {
        progress.show((before + done) / static_cast<double>(plan.passes * tables.size()),
                      escaped_line(fmt::format("{}: {}", title, doing)));
      });
      if (pass + 1 < plan.passes) continue;
      progress.clear();
      results["tables"].push_back(tables[i].result());
      if (arguments.is_for_programs()) continue;
      [[maybe_unused]] const ExitCode printed =
          print(text_of_table(results["tables"].back()) + "\n");
    }
  }
  results["machine"]["warnings"] = warnings_about(results, stolen.share());
  return results;
}

/// Throws what is wrong with it.
Json read_results(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(errno)));
  Json results = Json::parse(file, nullptr, false);
  const bool is_ours = results.is_object() && results.contains("tables") &&
                       results["tables"].is_array() && results.contains("machine");
  if (!is_ours) {
    throw std::runtime_error(path + " has no results of `tincan bench --json`");
  }
  return results;
}

/// Where something was measured that did not do what it should.
bool has_failures(const Json& results) {
  for (const Json& table : results.at("tables")) {
    for (const Json& row : table.at("rows")) {
      if (row.contains("failed")) return true;
    }
  }
  return false;
}

/// In lines of at most 100 columns; `text` is words with a space between.
std::string wrapped(const std::string& text) {
  constexpr std::size_t columns = 100;
  std::string lines;
  std::size_t column = 0;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const bool fits = column + 1 + word.size() <= columns;
    if (column > 0) lines += fits ? ' ' : '\n';
    column = column > 0 && fits ? column + 1 + word.size() : word.size();
    lines += word;
  }
  return lines;
}

std::string closing_words(const Json& results) {
  std::string text = legend();
  for (const auto& remark : results.value("remarks", Json::array())) {
    text += fmt::format("\n{}\n", wrapped(escaped_line(remark.get<std::string>())));
  }
  for (const auto& warning : results.at("machine").at("warnings")) {
    text += fmt::format("\n{}\n", wrapped("Note: " + escaped_line(warning.get<std::string>())));
  }
  return text;
}

ExitCode show(const BenchArguments& arguments, const Json& results) {
  ExitCode printed = ExitCode::success;
  if (arguments.json) {
    printed = print(line_of(results));
  } else if (arguments.csv) {
    printed = print(csv_of(results));
  } else {
    if (!arguments.read_from.empty()) {
      for (const Json& table : results.at("tables")) printed = print(text_of_table(table) + "\n");
    }
    printed = print(closing_words(results));
  }
  if (!arguments.compare_with.empty()) {
    const std::string differences = compare(results, read_results(arguments.compare_with));
    if (arguments.is_for_programs()) {
      [[maybe_unused]] const int error = write_all(STDERR_FILENO, differences);
    } else {
      printed = print(fmt::format("\n{}", differences));
    }
  }
  if (!arguments.report_to.empty()) {
    write_report(results, arguments.report_to);
    if (!arguments.is_for_programs()) {
      printed =
          print(fmt::format("\nThe report is {}/index.html\n", escaped_line(arguments.report_to)));
    }
  }
  return printed;
}

/// Of names that were given, the first that means nothing.
std::optional<std::string> wrong_name(const BenchChoice& choice,
                                      const std::vector<bench::WayEntry>& ways) {
  for (const std::string& part : choice.ways) {
    const bool is_known = std::ranges::any_of(
        ways, [&](const bench::WayEntry& way) { return way.name.find(part) != std::string::npos; });
    if (!is_known) return fmt::format("no way has {} in its name", part);
  }
  if (std::ranges::find(ways, choice.baseline, &bench::WayEntry::name) != ways.end()) return {};
  return fmt::format("no way is called {}", choice.baseline);
}

ExitCode run(const BenchArguments& arguments) {
  std::vector<bench::WayEntry> ways = bench::ways();
  if (arguments.peers) {
    const auto peers = find_peers(arguments);
    if (peers.empty()) return no_peers(arguments);
    ways.insert(ways.end(), peers.begin(), peers.end());
  }
  if (arguments.list) return list_ways(ways);
  if (!arguments.read_from.empty()) return show(arguments, read_results(arguments.read_from));
  if (const auto wrong = wrong_name(arguments.choice, ways)) {
    complain(*wrong + "; see tincan bench --list");
    return ExitCode::usage;
  }
  take_signals();
  // What can go wrong afterwards is found out before.
  static_cast<void>(bench::WorkDirectory());
  if (!arguments.compare_with.empty()) {
    [[maybe_unused]] const Json readable = read_results(arguments.compare_with);
  }
  if (!arguments.report_to.empty()) prepare_report(arguments.report_to);
  const auto cpus = static_cast<unsigned>(bench::allowed_cpus().size());
  const Plan plan = make_plan(arguments.choice, ways, cpus);
  if (plan.tables.empty()) {
    complain("there is nothing to be measured: no way does what was asked for; see --list");
    return ExitCode::usage;
  }
  bench::allow_many_descriptors();
  const Json results = measure_all(arguments, plan);
  const ExitCode shown = show(arguments, results);
  return shown == ExitCode::success && has_failures(results) ? ExitCode::failed : shown;
}

}  // namespace

ExitCode run_bench(const BenchArguments& arguments) {
  ::signal(SIGCHLD, SIG_DFL);  // ignored, nobody could hear how a process of ours has ended
  try {
    return run(arguments);
  } catch (const bench::Interrupted&) {
    complain("interrupted");
  } catch (const Json::exception&) {
    complain("what was read are no results of `tincan bench --json`, or not of this version");
  } catch (const std::exception& error) {
    complain(error.what());
  }
  return ExitCode::failed;
}

}  // namespace cli
