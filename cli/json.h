#pragma once

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>

#include "exit_code.h"
#include "tincan/failure.h"
#include "tincan/peer.h"

namespace cli {

using Json = nlohmann::ordered_json;

/// Outcome, cause, message, the numbers, and the exit code that goes with them.
[[nodiscard]] Json json_of(const tincan::Failure& failure, ExitCode code);
/// What is unknown is null.
[[nodiscard]] Json json_of(const tincan::Peer& peer);

/// One line. Bytes that are no UTF-8 are replaced: JSON cannot carry them.
[[nodiscard]] std::string line_of(const Json& json);

/// Tells how a call ended the way that was asked for: one JSON line on `json_to`, or a sentence on
/// stderr.
ExitCode report(const tincan::Failure& failure, ExitCode code, bool as_json,
                int json_to = STDOUT_FILENO);
/// The same for what is no call, and so has no outcome: serving, or a wrong argument.
ExitCode report_here(const tincan::Failure& failure, ExitCode code, bool as_json,
                     int json_to = STDOUT_FILENO);
/// A wrong argument of `command`. A sentence is followed by where to read more.
ExitCode report_usage(const std::string& sentence, const std::string& command, bool as_json,
                      int json_to = STDOUT_FILENO);

}  // namespace cli
