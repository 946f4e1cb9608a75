#pragma once

#include <expected>
#include <new>
#include <type_traits>

#include "tincan/failure.h"

// How an allocation that fails is told: as a Failure like any other, which allocates nothing
// itself.

namespace tincan {

/// Its detail is so short that it needs no memory.
inline Failure no_memory() { return {Outcome::not_sent, Cause::exhausted, "out of memory"}; }

/// What `step` returns, or that there was no memory for it.
template <class Step>
std::invoke_result_t<Step> or_no_memory(Step step) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    return std::unexpected(no_memory());
  }
}

/// A copy of `why` for one of the calls that it ends, without its words if they find no memory.
inline Failure end_of_call(const Failure& why, Outcome outcome) noexcept {
  try {
    Failure end = why;
    end.with_outcome(outcome);
    return end;
  } catch (const std::bad_alloc&) {
    return {outcome, why.cause(), {}, why.system_error()};
  }
}

}  // namespace tincan
