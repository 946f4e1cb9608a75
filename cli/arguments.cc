#include "arguments.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <charconv>

#include "durations.h"
#include "sizes.h"
#include "tincan/tincan.h"

namespace cli {

namespace {

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number number = 0;
  const char* const first = text.data();
  const char* const last = first + text.size();
  const auto [end, error] = std::from_chars(first, last, number, base);
  if (error != std::errc() || end != last) return std::nullopt;
  return number;
}

/// "--size" of "-s,--size": what a message calls the option.
std::string long_name(const std::string& names) { return names.substr(names.rfind(',') + 1); }

mode_t mode_of(const std::string& text) {
  const auto mode = parse_number<mode_t>(text, 8);
  if (!mode || *mode > 0777) {
    throw CLI::ValidationError("--mode", fmt::format("{} is not an octal mode such as 0660", text));
  }
  return *mode;
}

uid_t user_of(const std::string& option, const std::string& text) {
  if (const auto number = parse_number<uid_t>(text)) return *number;
  if (const passwd* const user = ::getpwnam(text.c_str())) return user->pw_uid;
  throw CLI::ValidationError(option, fmt::format("there is no user {}", text));
}

gid_t group_of(const std::string& option, const std::string& text) {
  if (const auto number = parse_number<gid_t>(text)) return *number;
  if (const ::group* const found = ::getgrnam(text.c_str())) return found->gr_gid;
  throw CLI::ValidationError(option, fmt::format("there is no group {}", text));
}

}  // namespace

CLI::App* add_command(CLI::App& tool, const std::string& name, const std::string& description,
                      bool& json) {
  CLI::App* const app = tool.add_subcommand(name, description);
  app->set_version_flag("--version", "tincan " TINCAN_VERSION, "Print the version and exit");
  app->add_flag("--json", json, "Print results and failures as JSON");
  app->footer(exit_codes_text());
  return app;
}

CLI::Option* add_number(CLI::App& app, const std::string& name, std::uint64_t& value,
                        std::uint64_t min, std::uint64_t max, const std::string& description) {
  // Not CLI11's own conversion, which makes 18446744073709551615 of -1.
  const auto take = [name, &value, min, max](const std::string& text) {
    const auto number = parse_number<std::uint64_t>(text);
    if (!number || *number < min || *number > max) {
      const std::string range =
          max == UINT64_MAX ? fmt::format("{} or more", min) : fmt::format("{} to {}", min, max);
      throw CLI::ValidationError(long_name(name),
                                 fmt::format("{} is not a whole number; write {}", text, range));
    }
    value = *number;
  };
  return app.add_option_function<std::string>(name, take, description)->type_name("N");
}

CLI::Option* add_duration(CLI::App& app, const std::string& name,
                          std::optional<std::chrono::nanoseconds>& value,
                          const std::string& description) {
  const auto take = [name, &value](const std::string& text) {
    value = parse_duration(text);
    if (value) return;
    throw CLI::ValidationError(
        name, fmt::format("{} is not a duration; write it as 200ms, 2s or 1m", text));
  };
  return app.add_option_function<std::string>(name, take, description)->type_name("DURATION");
}

CLI::Option* add_timeout(CLI::App& app, std::optional<std::chrono::nanoseconds>& value,
                         const std::string& description) {
  CLI::Option* const option = add_duration(app, "--timeout", value, description);
  return option->check(CLI::Validator(
      [](std::string& text) {
        if (parse_duration(text) != std::chrono::nanoseconds(0)) return std::string();
        return text + " leaves no time; write it as 200ms, 2s or 1m";
      },
      ""));
}

CLI::Option* add_size(CLI::App& app, const std::string& name, std::uint64_t& value,
                      std::uint64_t max, const std::string& description) {
  const auto take = [name, &value, max](const std::string& text) {
    const auto size = parse_size(text);
    if (!size) {
      throw CLI::ValidationError(
          long_name(name), fmt::format("{} is not a size; write it as 512, 64KiB or 1MiB", text));
    }
    if (*size > max) {
      throw CLI::ValidationError(long_name(name),
                                 fmt::format("{} is over {}, the most", text, format_size(max)));
    }
    value = *size;
  };
  return app.add_option_function<std::string>(name, take, description)->type_name("SIZE");
}

CLI::Option* add_server_uid(CLI::App& app, std::optional<uid_t>& uid) {
  const auto take = [&uid](const std::string& text) { uid = user_of("--server-uid", text); };
  return app
      .add_option_function<std::string>("--server-uid", take,
                                        "The server must run as this user; by name or number")
      ->type_name("USER");
}

std::vector<CLI::Option*> ListenArguments::add_to(CLI::App& app) {
  const auto take_mode = [this](const std::string& text) { mode = mode_of(text); };
  const auto take_group = [this](const std::string& text) {
    static_cast<void>(group_of("--group", text));
    group = text;
  };
  const auto take_users = [this](const std::vector<std::string>& users) {
    for (const std::string& user : users) allow.uids.push_back(user_of("--allow-uid", user));
  };
  const auto take_groups = [this](const std::vector<std::string>& groups) {
    for (const std::string& name : groups) allow.gids.push_back(group_of("--allow-gid", name));
  };
  using Words = std::vector<std::string>;
  return {app.add_option_function<std::string>(
                 "--mode", take_mode, "Who may connect, as the socket file's mode (default 0600)")
              ->type_name("MODE"),
          app.add_option_function<std::string>("--group", take_group,
                                               "The socket file's group, by name or number")
              ->type_name("GROUP"),
          app.add_option_function<Words>("--allow-uid", take_users,
                                         "Admit this user only (repeatable); by name or number")
              ->type_name("USER")
              ->allow_extra_args(false),
          app.add_option_function<Words>(
                 "--allow-gid", take_groups,
                 "Admit members of this group only (repeatable); by name or number")
              ->type_name("GROUP")
              ->allow_extra_args(false)};
}

std::optional<std::string> ListenArguments::what_is_missing(const tincan::Address& address) const {
  if (address.kind() != tincan::Address::Kind::abstract || !allow.empty()) return std::nullopt;
  return address.text() +
         " has no file permissions; say who may connect: --allow-uid USER or --allow-gid GROUP";
}

}  // namespace cli
