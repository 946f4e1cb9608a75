#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <utility>

#include "tincan/failure.h"

namespace tincan::session {

/// Whether a call has ended, and how. What an answer brought lies in the call itself.
class CallResult {
 public:
  /// True once the call has ended.
  explicit operator bool() const { return has_ended_; }
  [[nodiscard]] bool is_answer() const { return has_ended_ && !failure_; }
  /// Of a call that has ended without an answer.
  [[nodiscard]] Failure& failure() { return *failure_; }

  void set_answered() { has_ended_ = true; }
  CallResult& operator=(std::unexpected<Failure>&& why) {
    failure_ = std::move(why.error());
    has_ended_ = true;
    return *this;
  }
  /// For another attempt.
  void reset() {
    failure_.reset();
    has_ended_ = false;
  }

 private:
  std::optional<Failure> failure_;
  bool has_ended_ = false;
};

}  // namespace tincan::session
