#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "json.h"
#include "output.h"
#include "text.h"
#include "tincan/tincan.h"

namespace cli {

namespace {

/// Cuts off what stands after "--" of `tincan serve`: it is somebody else's command line, and must
/// not be read as ours in any part.
std::vector<std::string> take_program(std::vector<std::string>& words) {
  if (words.empty() || words.front() != "serve") return {};
  const auto mark = std::ranges::find(words, "--");
  if (mark == words.end()) return {};
  std::vector<std::string> program(mark + 1, words.end());
  words.erase(mark, words.end());
  return program;
}

/// After "--" nothing has a meaning of its own, not even "-". CLI11 does not tell what stood there.
bool has_literal_dash(const std::vector<std::string>& words) {
  const auto mark = std::ranges::find(words, "--");
  return mark != words.end() && std::find(mark + 1, words.end(), "-") != words.end();
}

/// Of the first word, about which CLI11 has little to say.
std::optional<std::string> what_is_wrong(CLI::App& tool, const std::vector<std::string>& words) {
  if (!words.empty() && words.front().starts_with('-')) return std::nullopt;
  std::vector<std::string> names;
  for (const CLI::App* command : tool.get_subcommands({})) names.push_back(command->get_name());
  if (!words.empty() && std::ranges::find(names, words.front()) != names.end()) return std::nullopt;
  return fmt::format("{} (commands: {})",
                     words.empty() ? "a command is missing" : "no command " + words.front(),
                     fmt::join(names, ", "));
}

/// Whether --json was among the words, though they cannot be read.
bool wants_json(const std::vector<std::string>& words) {
  const auto end = std::ranges::find(words, "--");
  return std::find(words.begin(), end, "--json") != end;
}

ExitCode usage_error(const CLI::App& tool, const CLI::ParseError& error, bool as_json) {
  std::string command = "tincan";
  for (const CLI::App* chosen : tool.get_subcommands()) command += " " + chosen->get_name();
  const bool bytes = command == "tincan bytes";  // its stdout belongs to the bytes
  return report_usage(error.what(), command, as_json, bytes ? STDERR_FILENO : STDOUT_FILENO);
}

ExitCode run(std::vector<std::string> words) {
  CLI::App tool{"Messages between programs on one Linux machine; a file name is the address",
                "tincan"};
  tool.set_version_flag("--version", "tincan " TINCAN_VERSION, "Print the version and exit");
  tool.footer(exit_codes_text() + "\n\nSee also: man tincan, tincan COMMAND --help");
  auto program = take_program(words);
  const Command commands[] = {add_serve(tool, std::move(program)),
                              add_call(tool, has_literal_dash(words)), add_ping(tool),
                              add_bytes(tool), add_bench(tool, "tincan " + command_line(words))};
  if (const auto wrong = what_is_wrong(tool, words)) {
    return report_usage(*wrong, "tincan", wants_json(words));
  }
  const bool as_json = wants_json(words);
  try {
    std::ranges::reverse(words);  // what CLI11 asks for
    tool.parse(std::move(words));
  } catch (const CLI::CallForVersion& version) {
    return print(fmt::format("{}\n", version.what()));
  } catch (const CLI::CallForHelp&) {
    return print(tool.help());
  } catch (const CLI::ParseError& error) {
    return usage_error(tool, error, as_json);
  }
  for (const Command& command : commands) {
    if (command.arguments->parsed()) return command.run();
  }
  return ExitCode::usage;
}

}  // namespace

}  // namespace cli

int main(int count, char** words) {
  cli::fill_standard_descriptors();
  try {
    return static_cast<int>(cli::run(std::vector<std::string>(words + 1, words + count)));
  } catch (const std::exception& error) {
    cli::complain(fmt::format("failed: {}", error.what()));  // out of memory is what is left
    return static_cast<int>(cli::ExitCode::failed);
  }
}
