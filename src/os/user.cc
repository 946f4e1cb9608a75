#include "os/user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "os/file.h"

namespace tincan::os {

namespace {

// The kernel's default for both, linux/highuid.h, where /proc is not mounted.
constexpr unsigned default_overflow_id = 65534;

unsigned read_id(const char* path) {
  const std::string text = read_text(path);
  return text.empty() ? default_overflow_id
                      : static_cast<unsigned>(std::strtoul(text.c_str(), nullptr, 10));
}

/// Calls one of the get…_r functions with a buffer that grows until the entry fits, and returns
/// what `use` makes of the entry; `missing` when there is none.
template <class Entry, class Ask, class Use, class Value>
Value look_up(Ask ask, Use use, const Value& missing) {
  // Groups of directory services can be long; beyond this the entry counts as missing.
  constexpr std::size_t entry_bytes_max = 16 * 1024 * 1024;
  std::vector<char> buffer(4096);
  while (true) {
    Entry entry;
    Entry* found = nullptr;
    const int error = ask(&entry, buffer.data(), buffer.size(), &found);
    if (error != ERANGE || buffer.size() >= entry_bytes_max) {
      return found == nullptr ? missing : use(*found);
    }
    buffer.resize(buffer.size() * 4);
  }
}

using Name = std::optional<std::string>;

}  // namespace

uid_t overflow_uid() {
  static const uid_t uid = read_id("/proc/sys/kernel/overflowuid");
  return uid;
}

gid_t overflow_gid() {
  static const gid_t gid = read_id("/proc/sys/kernel/overflowgid");
  return gid;
}

uid_t own_uid() { return ::geteuid(); }

Name user_name(uid_t uid) {
  return look_up<passwd>(
      [&](passwd* entry, char* buffer, std::size_t bytes, passwd** found) {
        return getpwuid_r(uid, entry, buffer, bytes, found);
      },
      [](const passwd& entry) { return Name(entry.pw_name); }, Name());
}

Name group_name(gid_t gid) {
  return look_up<group>([&](group* entry, char* buffer, std::size_t bytes,
                            group** found) { return getgrgid_r(gid, entry, buffer, bytes, found); },
                        [](const group& entry) { return Name(entry.gr_name); }, Name());
}

std::optional<gid_t> group_number(const std::string& name) {
  return look_up<group>(
      [&](group* entry, char* buffer, std::size_t bytes, group** found) {
        return getgrnam_r(name.c_str(), entry, buffer, bytes, found);
      },
      [](const group& entry) { return std::optional<gid_t>(entry.gr_gid); },
      std::optional<gid_t>());
}

std::string describe_user(uid_t uid) {
  const Name name = user_name(uid);
  return "uid " + std::to_string(uid) + (name ? " (" + *name + ")" : "");
}

std::string describe_group(gid_t gid) {
  const Name name = group_name(gid);
  return name ? "group " + *name + " (" + std::to_string(gid) + ")" : "gid " + std::to_string(gid);
}

bool is_private_group(uid_t uid, gid_t gid) {
  const auto user = look_up<passwd>(
      [&](passwd* entry, char* buffer, std::size_t bytes, passwd** found) {
        return getpwuid_r(uid, entry, buffer, bytes, found);
      },
      [&](const passwd& entry) { return entry.pw_gid == gid ? Name(entry.pw_name) : Name(); },
      Name());
  if (!user) return false;
  return look_up<group>([&](group* entry, char* buffer, std::size_t bytes,
                            group** found) { return getgrgid_r(gid, entry, buffer, bytes, found); },
                        [&](const group& entry) {
                          bool alone = *user == entry.gr_name;
                          for (char** member = entry.gr_mem; *member != nullptr; ++member) {
                            alone = alone && *user == *member;
                          }
                          return alone;
                        },
                        false);
}

}  // namespace tincan::os
