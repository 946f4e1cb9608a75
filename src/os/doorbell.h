#pragma once

#include "os/process.h"
#include "os/result.h"

/// How one process wakes another that sleeps in poll(2) or epoll(7): a pipe(7) that the ringing
/// side makes and of which it gives the reading end away. (An eventfd has one counter and one
/// O_NONBLOCK flag for both sides, with which the sleeper could make the ringer block.)
namespace tincan::os {

/// The side that rings. Closed in a forked child.
class Doorbell {
 public:
  [[nodiscard]] static Sys<Doorbell> create();
  /// What the other side listens at: non-blocking, close-on-exec.
  [[nodiscard]] int listening_end() const { return read_.get(); }
  /// A copy of it, to be sent.
  [[nodiscard]] Result<Descriptor> duplicate_listening_end() const { return read_.duplicate(); }
  /// Never blocks, never fails for us: a pipe that is full has been rung.
  void ring() const;

 private:
  Doorbell(Descriptor read, Descriptor write) : read_(std::move(read)), write_(std::move(write)) {}
  /// Kept open, so that the pipe always has a reader: writing to one without raises SIGPIPE.
  CloseInChild read_;
  CloseInChild write_;
};

/// The side that listens, at a descriptor that came from the other one. Closed in a forked child.
///
/// To be watched edge-triggered, so that it need not be emptied each time that it was rung. The
/// other side may clear its O_NONBLOCK, may empty it or close it: then it wakes us for nothing, or
/// not at all, which is its own loss.
class DoorbellListener {
 public:
  explicit DoorbellListener(Descriptor read) : read_(std::move(read)) {}
  [[nodiscard]] int fd() const { return read_.get(); }
  /// To be called when it was rung: takes the rings out before there is no room for more of them,
  /// for a ring that does not fit makes no edge.
  void rung() {
    if (++rings_ >= rings_max) empty();
  }

 private:
  /// A page, the least room that a pipe has (pipe(7)).
  static constexpr unsigned rings_max = 4096;
  void empty();

  CloseInChild read_;
  unsigned rings_ = 0;
};

/// Whether it is the end of a pipe or FIFO from which can be read.
[[nodiscard]] Sys<bool> is_listening_end(int descriptor);

}  // namespace tincan::os
