#include "path/rights.h"

#include <charconv>

#include "base/fail.h"
#include "os/file.h"
#include "os/user.h"

namespace tincan::path {

namespace {

std::optional<gid_t> group_of(const std::string& text) {
  if (const auto named = os::group_number(text)) return named;
  gid_t number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<void> set_mode(const Place& place, const Descriptor& file, mode_t mode) {
  const auto set = os::set_mode_of_path(file.get(), mode);
  if (set) return {};
  const bool no_proc = set.error().code == ENOENT;
  return fail(
      no_proc ? Cause::unsupported : Cause::system,
      place.text + ": its mode cannot be set" + (no_proc ? "; /proc must be mounted for that" : ""),
      set.error().code);
}

Result<void> set_group(const Place& place, const Descriptor& file, gid_t group) {
  const auto set = os::set_group(file.get(), group);
  if (set) return {};
  if (set.error().code != EPERM) {
    return fail(Cause::system, place.text + ": its group cannot be set", set.error().code);
  }
  return fail(Cause::refused,
              place.text + ": " + os::describe_user(os::own_uid()) + " may not give it to " +
                  os::describe_group(group) + "; join that group",
              EPERM);
}

Result<void> change(const FileRights& before, const Rights& rights, const Place& place,
                    const Descriptor& file) {
  mode_t mode = before.mode;
  if (rights.group && *rights.group != before.group) {
    // The new group must not get what the old one had.
    if ((mode & 0070) != 0) {
      mode &= ~mode_t{0070};
      if (auto set = set_mode(place, file, mode); !set) return set;
    }
    if (auto set = set_group(place, file, *rights.group); !set) return set;
  }
  if (mode == rights.mode) return {};
  return set_mode(place, file, rights.mode);
}

os::Sys<void> set_mode_if_other(const Descriptor& file, mode_t present, mode_t wanted) {
  if (present == wanted) return {};
  return os::set_mode_of_path(file.get(), wanted);
}

}  // namespace

Result<Rights> Rights::of(const ListenOptions& options) {
  Rights rights{.mode = options.mode, .group = {}, .backlog = options.backlog};
  if ((options.mode & ~mode_t{0777}) != 0) {
    return fail(Cause::usage, "a socket's mode is 0 to 0777");
  }
  if (options.group) {
    rights.group = group_of(*options.group);
    if (!rights.group) return fail(Cause::usage, "there is no group \"" + *options.group + "\"");
  }
  return rights;
}

Result<void> apply(const Rights& rights, const Place& place, const Descriptor& file) {
  const auto status = os::status_of(file.get());
  if (!status) {
    return fail(Cause::system, place.text + " cannot be looked at", status.error().code);
  }
  const FileRights before{status->st_mode & 07777, status->st_gid};
  auto changed = change(before, rights, place, file);
  // It may be a living server's, whose clients are to find it as it was.
  if (!changed) {
    [[maybe_unused]] const auto restored = restore(before, file);
  }
  return changed;
}

os::Sys<void> restore(const FileRights& before, const Descriptor& file) {
  const auto status = os::status_of(file.get());
  if (!status) return std::unexpected(status.error());
  const mode_t mode = status->st_mode & 07777;
  if (status->st_gid != before.group) {
    const mode_t without_group = mode & ~mode_t{0070};
    if (auto set = set_mode_if_other(file, mode, without_group); !set) return set;
    if (auto given = os::set_group(file.get(), before.group); !given) {
      // The first failure is the one to be told.
      [[maybe_unused]] const auto set =
          set_mode_if_other(file, without_group, before.mode & ~mode_t{0070});
      return given;
    }
    return set_mode_if_other(file, without_group, before.mode);
  }
  return set_mode_if_other(file, mode, before.mode);
}

}  // namespace tincan::path
