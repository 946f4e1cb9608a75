#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "os/result.h"
#include "tincan/descriptor.h"

/// How bytes and descriptors get to the other side. One contract, tested by one suite
/// (tests/conformance): whatever carries them, the session above sees the same.
namespace tincan::transport {

/// A connected, ordered, reliable two-way stream that can carry descriptors.
///
/// Threads: one reader and one writer at a time, which may be two threads.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Writes what fits now of `bytes`, at least one byte, without waiting. `descriptors` belong to
  /// the first byte: when any byte was written they have gone along, and are still the caller's to
  /// close. Errors: EAGAIN nothing fits now · EPIPE, ECONNRESET the peer is gone, which a channel
  /// need not know before `read` has said so; what it had sent before can still be read · EPROTO
  /// the peer broke the rules of the channel · ESTALE see MovingChannel::insist_on_ring.
  [[nodiscard]] virtual os::Sys<std::size_t> write(std::span<const std::byte> bytes,
                                                   std::span<const Descriptor> descriptors) = 0;

  struct Read {
    std::size_t bytes = 0;          ///< 0: the end.
    bool descriptors_lost = false;  ///< Some could not be received; none of theirs may be used.
    /// Of a ring: there is more to be read or found out. False: as if EAGAIN had come next.
    bool more = false;
  };
  /// Reads what is there, without waiting. Descriptors are appended to `descriptors`, or dropped
  /// when that is null; those of one write arrive together, no later than its first byte and never
  /// with the first byte of a later write that carries some.
  /// Errors: EAGAIN nothing is there · ECONNRESET the end, with bytes of ours unread · EPROTO,
  /// ESTALE as above.
  [[nodiscard]] virtual os::Sys<Read> read(std::span<std::byte> into,
                                           std::vector<Descriptor>* descriptors) = 0;

  /// The socket, for poll(2): whatever else carries the bytes, the end of a connection is seen
  /// here.
  [[nodiscard]] virtual int fd() const = 0;
};

}  // namespace tincan::transport
