#pragma once

#include <utility>

namespace tincan::session {

class Connection;

/// A connection's place in one queue of its loop. Queueing takes no memory, so it cannot fail;
/// whoever goes has left the queue.
class Queued {
 public:
  explicit Queued(Connection* connection) : connection_(connection) {}
  Queued(const Queued&) = delete;
  Queued& operator=(const Queued&) = delete;
  ~Queued() { leave(); }

  [[nodiscard]] bool is_queued() const { return next_ != this; }
  void leave() {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = this;
  }

 private:
  friend class ConnectionQueue;
  Connection* const connection_;
  Queued* previous_ = this;
  Queued* next_ = this;
};

/// Connections of a loop for which something is due, each at most once.
class ConnectionQueue {
 public:
  [[nodiscard]] bool empty() const { return !ends_.is_queued(); }
  /// Puts it at the end, from wherever it was.
  void push(Queued& place) {
    place.leave();
    place.previous_ = ends_.previous_;
    place.next_ = &ends_;
    ends_.previous_->next_ = &place;
    ends_.previous_ = &place;
  }
  /// The first, which stays; null when there is none.
  [[nodiscard]] Connection* front() const { return empty() ? nullptr : ends_.next_->connection_; }
  /// The one that there is; null when there are none, or more.
  [[nodiscard]] Connection* only() const {
    return ends_.next_ == ends_.previous_ ? front() : nullptr;
  }
  /// The first, which leaves; null when there is none.
  [[nodiscard]] Connection* pop() {
    if (empty()) return nullptr;
    Queued& first = *ends_.next_;
    first.leave();
    return first.connection_;
  }
  /// Goes through all; `visit` changes no queue.
  template <class Visit>
  void for_each(Visit visit) const {
    for (Queued* at = ends_.next_; at != &ends_; at = at->next_) visit(*at->connection_);
  }
  template <class Condition>
  [[nodiscard]] bool any_of(Condition condition) const {
    for (Queued* at = ends_.next_; at != &ends_; at = at->next_) {
      if (condition(*at->connection_)) return true;
    }
    return false;
  }
  /// Takes all of `other`; for an empty queue.
  void take(ConnectionQueue& other) {
    if (other.empty()) return;
    ends_.next_ = other.ends_.next_;
    ends_.previous_ = other.ends_.previous_;
    ends_.next_->previous_ = ends_.previous_->next_ = &ends_;
    other.ends_.next_ = other.ends_.previous_ = &other.ends_;
  }

 private:
  Queued ends_{nullptr};
};

}  // namespace tincan::session
