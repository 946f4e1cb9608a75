#pragma once

/// Stops the program when a rule of our own is broken. Never for what a peer, the kernel or an
/// argument can bring about: those are failures and breaches.
///
/// It stays on in every build: a broken invariant that goes on running corrupts somebody's calls.
#define TINCAN_CHECK(condition) \
  ((condition) ? void() : ::tincan::check_failed(#condition, __FILE__, __LINE__))

namespace tincan {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace tincan
