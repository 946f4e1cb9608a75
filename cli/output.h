#pragma once

#include <string>
#include <string_view>

#include "exit_code.h"
#include "tincan/failure.h"

namespace cli {

/// Gives closed descriptors 0, 1 and 2 a place, so that no socket of ours becomes the stdout that
/// somebody prints to. Reading or writing them fails as it would have.
void fill_standard_descriptors();

/// Writes everything, whatever O_NONBLOCK says. Returns 0, or the errno.
[[nodiscard]] int write_all(int descriptor, std::string_view bytes);

/// Prints on stdout. A failure is reported on stderr and is an exit code of its own.
[[nodiscard]] ExitCode print(std::string_view bytes);
/// The same, with control characters escaped when stdout is a terminal: for bytes from a peer.
[[nodiscard]] ExitCode print_untrusted(std::string_view bytes);

/// Prints a line of ours on stdout, escaped: names in it may come from anywhere.
[[nodiscard]] ExitCode print_line(std::string_view line);

/// "tincan: …" on stderr, escaped, in one line: parts of it may come from a peer.
void complain(std::string_view message);
/// The same; what a handler declared may have several lines.
void complain(const tincan::Failure& failure);
/// A line on stderr as it is, escaped.
void remark(std::string_view line);

}  // namespace cli
