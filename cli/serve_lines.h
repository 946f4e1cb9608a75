#pragma once

#include <optional>
#include <string>

#include "exit_code.h"
#include "tincan/address.h"
#include "tincan/server.h"

namespace cli {

/// The two lines of `tincan serve`: that it is ready, and what came of it.
///
/// Over a connection that was handed to us there are none: our stdout then belongs to whoever
/// started us.
class ServeLines {
 public:
  /// To be made before the server, which takes what was inherited.
  ServeLines(const tincan::Address& address, bool json);

  [[nodiscard]] ExitCode print_ready() const;
  /// `unfinished`: calls that were given up in the end.
  [[nodiscard]] ExitCode print_drained(const tincan::Server::Counts& counts,
                                       std::size_t unfinished) const;

 private:
  const std::string address_;
  const bool json_;
  bool silent_ = false;
  std::optional<std::string> path_;  ///< Of the socket file, if there is one.
};

}  // namespace cli
