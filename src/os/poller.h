#pragma once

#include <poll.h>
#include <sys/epoll.h>

#include <cstdint>
#include <span>

#include "base/time.h"
#include "os/process.h"
#include "os/result.h"
#include "tincan/descriptor.h"

namespace tincan::os {

/// poll(2) of one descriptor until `deadline`. Returns the events that are there; 0: it passed.
[[nodiscard]] Sys<short> wait_for(int descriptor, short events, Moment deadline);
/// poll(2) of several. Returns how many have events; 0: the deadline passed.
[[nodiscard]] Sys<int> wait_for(std::span<pollfd> descriptors, Moment deadline);

/// epoll(7), level-triggered. Closed in a forked child, where removing anything would remove it
/// for the parent. What it watches must be removed before it is closed, for a copy in
/// another process would keep it watched.
class Poller {
 public:
  [[nodiscard]] static Sys<Poller> create();
  [[nodiscard]] int fd() const { return descriptor_.get(); }

  /// Watches `descriptor` for `events`; `tag` comes back with each of them.
  [[nodiscard]] Sys<void> add(int descriptor, std::uint32_t events, void* tag);
  [[nodiscard]] Sys<void> change(int descriptor, std::uint32_t events, void* tag);
  void remove(int descriptor);
  /// Fills `events` and returns the part filled. Waits until `deadline`; a moment that has passed
  /// means do not wait.
  [[nodiscard]] Sys<std::span<epoll_event>> wait(std::span<epoll_event> events, Moment deadline);

 private:
  explicit Poller(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  CloseInChild descriptor_;
};

/// An eventfd(2) that makes a poller return. `ring` is async-signal-safe. Closed in a forked child.
class Bell {
 public:
  [[nodiscard]] static Sys<Bell> create();
  [[nodiscard]] int fd() const { return descriptor_.get(); }
  void ring() const;
  /// Makes it silent until the next ring.
  void quiet() const;

 private:
  explicit Bell(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  CloseInChild descriptor_;
};

}  // namespace tincan::os
