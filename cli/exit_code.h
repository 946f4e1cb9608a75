#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tincan/failure.h"

namespace cli {

/// How the tool ends. The numbers are part of its interface: docs and scripts count on them.
enum class ExitCode : int {
  success = 0,
  declared = 1,
  usage = 2,
  not_sent = 3,
  unknown = 4,
  refused = 5,
  failed = 6,
};

struct ExitMeaning {
  ExitCode code;
  std::string_view meaning;
};

/// The one table: --help, the man pages and the tests say the same.
[[nodiscard]] std::span<const ExitMeaning> exit_meanings();
/// The table as the last paragraph of --help.
[[nodiscard]] std::string exit_codes_text();

/// How a call, or the way to a server, ended.
[[nodiscard]] ExitCode exit_code_of(const tincan::Failure& failure);
/// How an attempt to serve ended: nothing was to be sent, so what failed is this side.
[[nodiscard]] ExitCode exit_code_of_listening(const tincan::Failure& failure);

}  // namespace cli
