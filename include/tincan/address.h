#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tincan/failure.h"

namespace tincan {

/// Where a server is: one grammar for the library, the tool and configuration files.
///
///     ./app.sock  /run/app.sock     a path (anything without a scheme)
///     unix:/run/app.sock            the same
///     unix-abstract:name            no file and so no permissions: servers need an allow-list
///     fd:3                          an inherited listener or connection (SO_ACCEPTCONN tells)
///     systemd:  systemd:name        socket activation, sd_listen_fds(3); by LISTEN_FDNAMES
///     exec:program args             a child process over a socketpair; words split at spaces
///
/// The child of `exec:` finds its end of the pair as descriptor 3, and in LISTEN_FDS, so that it
/// may serve `fd:3` or `systemd:`.
/// A scheme is lower-case letters, digits, '+', '-', '.' and a colon; a file whose name looks like
/// one is written as "./fd:3". Paths of up to `limits::path_bytes_max` bytes work; nothing is ever
/// truncated.
class Address {
 public:
  enum class Kind : std::uint8_t { path, abstract, descriptor, systemd, exec };

  /// Errors: `usage` for an empty address, an unknown scheme, an embedded NUL byte or a bad number.
  [[nodiscard]] static Result<Address> parse(std::string_view text);

  [[nodiscard]] Kind kind() const { return kind_; }
  /// The path, the abstract name, or the name of the systemd socket (may be empty).
  [[nodiscard]] const std::string& name() const { return name_; }
  /// The number of `fd:`.
  [[nodiscard]] int descriptor() const { return descriptor_; }
  /// Program and arguments of `exec:`.
  [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }
  /// What `parse` accepts again.
  [[nodiscard]] std::string text() const;

 private:
  Kind kind_ = Kind::path;
  int descriptor_ = -1;
  std::string name_;
  std::vector<std::string> arguments_;
};

}  // namespace tincan
