#pragma once

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

/// Tells a failure the way that was asked for: one JSON line on stdout, or a sentence on stderr.
ExitCode report(const tincan::Failure& failure, ExitCode code, bool as_json);

}  // namespace cli
