#include "exit_code.h"

#include <fmt/format.h>

#include <iterator>

namespace cli {

namespace {

constexpr ExitMeaning meanings[] = {
    {ExitCode::success, "a reply; the command did what was asked"},
    {ExitCode::declared, "declared error: the handler ran and answered with an error"},
    {ExitCode::usage, "usage: an argument is wrong"},
    {ExitCode::not_sent, "not sent: the server cannot have run the call; retry freely"},
    {ExitCode::unknown, "unknown: the server may have run the call"},
    {ExitCode::refused, "refused: a rule of either side says no"},
    {ExitCode::failed, "failed here: the path is held or unusable, input or output broke"},
};

}  // namespace

std::span<const ExitMeaning> exit_meanings() { return meanings; }

std::string exit_codes_text() {
  std::string text = "Exit codes:\n";
  for (const auto& [code, meaning] : meanings) {
    fmt::format_to(std::back_inserter(text), "  {}  {}\n", static_cast<int>(code), meaning);
  }
  text.pop_back();
  return text;
}

ExitCode exit_code_of(const tincan::Failure& failure) {
  if (failure.cause() == tincan::Cause::refused) return ExitCode::refused;
  if (failure.cause() == tincan::Cause::usage) return ExitCode::usage;
  if (failure.cause() == tincan::Cause::path) return ExitCode::failed;  // no retry mends it
  switch (failure.outcome()) {
    case tincan::Outcome::declared:
      return ExitCode::declared;
    case tincan::Outcome::unknown:
      return ExitCode::unknown;
    case tincan::Outcome::not_sent:
      break;
  }
  return ExitCode::not_sent;
}

ExitCode exit_code_of_listening(const tincan::Failure& failure) {
  if (failure.cause() == tincan::Cause::refused) return ExitCode::refused;
  if (failure.cause() == tincan::Cause::usage) return ExitCode::usage;
  return ExitCode::failed;
}

}  // namespace cli
