#pragma once

#include <poll.h>

#include "support/eventually.h"
#include "tincan/client.h"
#include "tincan/server.h"

namespace tincan::test {

/// Waits as an event loop does: for `fd()`, no longer than until `deadline()`.
template <class Subject>
void poll_once(Subject& subject, std::chrono::milliseconds longest = std::chrono::seconds(1)) {
  using std::chrono::steady_clock;
  auto wait = longest;
  if (const auto deadline = subject.deadline()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - steady_clock::now());
    wait = std::clamp(left, std::chrono::milliseconds(0), longest);
  }
  pollfd ready{subject.fd(), subject.events(), 0};
  ::poll(&ready, 1, static_cast<int>(wait.count()));
}

/// Drives a client from a poll loop until `condition` holds. False: it took too long.
template <class Condition>
bool process_until(Client& client, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    poll_once(client);
    client.process();
  }
  return true;
}

}  // namespace tincan::test
