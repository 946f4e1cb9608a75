#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

/// Users and groups. Everything that concerns names may ask a directory service and take seconds:
/// never on a loop.
namespace tincan::os {

/// The id that stands for users without a name in our user namespace: /proc/sys/kernel/overflowuid.
/// Read once.
[[nodiscard]] uid_t overflow_uid();
[[nodiscard]] gid_t overflow_gid();

/// The effective uid, which owns what we create.
[[nodiscard]] uid_t own_uid();

[[nodiscard]] std::optional<std::string> user_name(uid_t uid);
[[nodiscard]] std::optional<std::string> group_name(gid_t gid);
[[nodiscard]] std::optional<gid_t> group_number(const std::string& name);

/// "uid 1002 (bob)", or without the name when there is none.
[[nodiscard]] std::string describe_user(uid_t uid);
/// "group ops (1005)", or "gid 1005".
[[nodiscard]] std::string describe_group(gid_t gid);

/// True when `gid` is the private group of `uid`: its primary group, of the same name as the user,
/// in which nobody else is listed.
[[nodiscard]] bool is_private_group(uid_t uid, gid_t gid);

}  // namespace tincan::os
