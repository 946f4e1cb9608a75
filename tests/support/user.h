#pragma once

#include <grp.h>
#include <unistd.h>

#include <vector>

#include "support/process.h"

namespace tincan::test {

/// Users without an account, so that no test meets files of a real one.
inline constexpr uid_t stranger = 65531;
inline constexpr uid_t other_stranger = 65532;

/// Makes this process, a child of the test, that user for ever, in `groups` and in the group of its
/// own number. Needs root.
inline bool become(uid_t uid, const std::vector<gid_t>& groups = {}) {
  return ::setgroups(groups.size(), groups.data()) == 0 && ::setresgid(uid, uid, uid) == 0 &&
         ::setresuid(uid, uid, uid) == 0;
}

/// Runs `body` as another user and returns what it returned; -1000 when it did not end.
inline int run_as(uid_t uid, const std::function<int()>& body,
                  const std::vector<gid_t>& groups = {}) {
  auto child = Process::fork([&] { return become(uid, groups) ? body() : 126; });
  return child.wait().value_or(-1000);
}

}  // namespace tincan::test
