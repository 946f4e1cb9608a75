#include "session/lent_memory.h"

// The public face of memory that is lent. What it is given to: client_loans.cc, request_loans.cc.

namespace tincan {

namespace {

/// Keeps in reach what a child cannot free.
[[maybe_unused]] session::LentMemory* volatile parents_loan = nullptr;

}  // namespace

std::span<std::byte> Loan::bytes() const {
  if (memory_ == nullptr || memory_->is_forked()) return {};
  const auto all = memory_->bytes();
  return all.first(std::min<std::size_t>(all.size(), bytes_));
}

bool Loan::is_released() const {
  return memory_ == nullptr || memory_->is_forked() || memory_->is_released();
}

void Loan::free() {
  // In a child the mapping is not there, and the locks may be held by threads that are not.
  if (memory_->is_forked()) {
    parents_loan = memory_;
  } else {
    memory_->let_go();
  }
  memory_ = nullptr;
}

}  // namespace tincan
