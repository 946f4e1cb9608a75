#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "exit_code.h"
#include "tincan/address.h"
#include "tincan/options.h"

namespace cli {

/// A command: its arguments as CLI11 knows them, and what it does once they are read.
struct Command {
  CLI::App* arguments;
  std::function<ExitCode()> run;
};

/// Adds a command with --json and --version and the table of exit codes.
CLI::App* add_command(CLI::App& tool, const std::string& name, const std::string& description,
                      bool& json);

/// Adds an option that takes a whole number from `min` to `max`.
CLI::Option* add_number(CLI::App& app, const std::string& name, std::uint64_t& value,
                        std::uint64_t min, std::uint64_t max, const std::string& description);
/// Adds an option that takes a duration as in durations.h.
CLI::Option* add_duration(CLI::App& app, const std::string& name,
                          std::optional<std::chrono::nanoseconds>& value,
                          const std::string& description);
/// Adds --timeout: a duration that is more than none.
CLI::Option* add_timeout(CLI::App& app, std::optional<std::chrono::nanoseconds>& value,
                         const std::string& description);
/// Adds an option that takes a size as in sizes.h.
CLI::Option* add_size(CLI::App& app, const std::string& name, std::uint64_t& value,
                      std::uint64_t max, const std::string& description);
/// Adds --server-uid: whom a client expects at the other end.
CLI::Option* add_server_uid(CLI::App& app, std::optional<uid_t>& uid);

/// Who may connect and how the path is claimed: the options of those commands that listen.
struct ListenArguments {
  mode_t mode = 0600;
  std::optional<std::string> group;
  tincan::AllowList allow;

  /// Returns what it added.
  std::vector<CLI::Option*> add_to(CLI::App& app);
  /// What `address` needs beside these.
  [[nodiscard]] std::optional<std::string> what_is_missing(const tincan::Address& address) const;
};

}  // namespace cli
