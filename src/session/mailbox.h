#pragma once

#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "os/mutex.h"
#include "os/poller.h"
#include "os/process.h"
#include "session/request_state.h"

namespace tincan::session {

/// A connection on its way to the loop that will serve it.
struct Newcomer {
  Descriptor socket;
  Peer peer;
};

/// How other threads reach a loop: answers, requests let go, connections. It outlives its loop as
/// long as a request refers to it. The bell rings only when there was nothing in it before.
class Mailbox {
 public:
  Mailbox(os::Bell bell, PayloadPool* pool) : pool_(pool), bell_(std::move(bell)) { pool->hold(); }
  ~Mailbox() { pool_->drop(); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// False when the loop has ended: the request is the caller's to delete.
  [[nodiscard]] bool post(RequestState& request) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    request.next_in_mailbox = nullptr;
    (last_ == nullptr ? first_ : last_->next_in_mailbox) = &request;
    last_ = &request;
    ring();
    return true;
  }
  /// False also when there is no memory for it; then it is still the caller's.
  [[nodiscard]] bool post(Newcomer&& newcomer) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    try {
      newcomers_.push_back(std::move(newcomer));
    } catch (const std::bad_alloc&) {
      return false;
    }
    ring();
    return true;
  }

  struct Contents {
    RequestState* requests = nullptr;  ///< In the order in which they were posted.
    std::vector<Newcomer> newcomers;
  };
  [[nodiscard]] Contents empty() {
    const std::lock_guard lock(mutex_);
    rung_ = false;
    bell_.quiet();
    last_ = nullptr;
    return {std::exchange(first_, nullptr), std::exchange(newcomers_, {})};
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  /// True once its loop has ended.
  [[nodiscard]] bool is_closed() {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  [[nodiscard]] int fd() const { return bell_.fd(); }
  /// True in a child of the process in which it was made: there nothing of it may be touched, for
  /// its lock may be held by a thread that is not here.
  [[nodiscard]] bool is_forked() const { return os::fork_generation() != generation_; }
  /// For what is posted.
  [[nodiscard]] PayloadPool& pool() { return *pool_; }

 private:
  void ring() {
    if (!std::exchange(rung_, true)) bell_.ring();
  }

  PayloadPool* const pool_;
  const std::uint32_t generation_ = os::fork_generation();
  os::Mutex mutex_;
  os::Bell bell_;
  bool rung_ = false;
  bool closed_ = false;
  RequestState* first_ = nullptr;
  RequestState* last_ = nullptr;
  std::vector<Newcomer> newcomers_;
};

}  // namespace tincan::session
