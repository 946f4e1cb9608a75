#pragma once

#include "os/clock.h"
#include "os/process.h"
#include "tincan/stream.h"

namespace tincan {

/// The socket of a stream, and in which process it may be used.
struct Stream::State {
  State(Descriptor owned, Peer who) : socket(std::move(owned)), peer(std::move(who)) {}
  ~State() { close(); }
  void close();

  Descriptor socket;
  Peer peer;
  std::uint32_t generation = os::fork_generation();
};

namespace bytes {

inline Moment until(Deadline deadline) {
  return deadline ? os::now() + *deadline : Moment::never();
}

}  // namespace bytes

}  // namespace tincan
