#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ways/way.h"

/// A way that is a program of its own, because it needs a library that not everybody has.
///
///     PROGRAM describe                                  prints what it is, a line for each field
///     PROGRAM server|client WORK BYTES CLIENTS DIRECTORY CLIENT    with descriptor 3 to its trial
namespace bench {

inline constexpr int peer_control = 3;

[[nodiscard]] std::vector<std::string> peer_arguments(const std::string& program, const Task& task,
                                                      bool is_server, unsigned client);
/// The main function of such a program.
int run_peer(int argc, char** argv, const WayEntry& entry);
/// What `program` says of itself. None: it is no such program, or its library is not there.
[[nodiscard]] std::optional<WayEntry> describe_peer(const std::string& program);

}  // namespace bench
