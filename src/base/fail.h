#pragma once

#include <string>
#include <utility>

#include "tincan/failure.h"

namespace tincan {

inline std::unexpected<Failure> fail(Cause cause, std::string detail = {}, int error = 0) {
  return std::unexpected(Failure(cause, std::move(detail), error));
}

}  // namespace tincan
