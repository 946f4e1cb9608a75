#pragma once

#include <cstdint>
#include <optional>

#include "os/doorbell.h"
#include "transport/channel.h"
#include "transport/ring_memory.h"
#include "transport/socket_channel.h"
#include "wire/frame.h"

namespace tincan::transport {

/// A pair of rings in shared memory as a channel, beside the socket over which they were agreed on.
///
/// Bytes go through the rings. What memory cannot carry stays on the socket: descriptors, sent
/// before the byte that they belong to is published, and the end of the connection. Reading and
/// writing make no system call, except to ring a peer that sleeps and to pass descriptors.
///
/// Threads: one at a time, reader and writer alike.
class RingChannel final : public Channel {
 public:
  /// `socket` carries nothing else from now on, and stays the owner's. `ours` wakes the peer, at
  /// `theirs` it wakes us.
  RingChannel(SocketChannel& socket, RingMemory memory, os::Doorbell ours,
              os::DoorbellListener theirs);

  [[nodiscard]] os::Sys<std::size_t> write(std::span<const std::byte> bytes,
                                           std::span<const Descriptor> descriptors) override;
  [[nodiscard]] os::Sys<Read> read(std::span<std::byte> into,
                                   std::vector<Descriptor>* descriptors) override;
  [[nodiscard]] int fd() const override { return socket_.fd(); }

  // Waiting. A thread that sleeps watches `fd` and `doorbell_fd`, the latter edge-triggered.

  [[nodiscard]] int doorbell_fd() const { return listener_.fd(); }
  /// Says that we are about to sleep, for `what` of ring::Sleep. False: there is no need to; look
  /// again instead.
  [[nodiscard]] bool fall_asleep(std::uint32_t what) { return end_.fall_asleep(what); }
  void wake_up() { end_.wake_up(); }
  /// `doorbell_fd` had an event.
  void rung() { listener_.rung(); }
  /// `fd` had an event, so `read` is to look there too.
  void socket_has_news() { look_at_socket_ = true; }
  /// True while `write` says EAGAIN because of the socket, which descriptors did not fit into.
  [[nodiscard]] bool waits_for_socket() const { return waits_for_socket_; }
  /// Bytes that `read` would give are there.
  [[nodiscard]] bool is_readable() { return end_.is_readable(); }

  [[nodiscard]] std::size_t capacity_bytes() const { return memory_.capacity_bytes(); }

 private:
  /// Descriptors that have come over the socket, until the byte is read that they belong to.
  struct Arrived {
    std::uint64_t position = 0;
    std::vector<Descriptor> descriptors;
    bool lost = false;
  };

  [[nodiscard]] os::Sys<void> send_ahead(std::span<const Descriptor> descriptors);
  [[nodiscard]] bool are_descriptors_announced() {
    return end_.is_readable() && end_.peer_descriptor_sets() != sets_arrived_;
  }
  [[nodiscard]] os::Sys<void> look_at_socket();
  [[nodiscard]] os::Sys<void> take_control();
  [[nodiscard]] os::Sys<bool> hand_over_descriptors(std::vector<Descriptor>* descriptors);
  [[nodiscard]] os::Sys<Read> nothing_there() const;

  SocketChannel& socket_;
  RingMemory memory_;
  ring::End end_;
  const os::Doorbell doorbell_;
  os::DoorbellListener listener_;

  /// At most two: one whose byte is being read, and one that shows where the read has to stop.
  std::vector<Arrived> arrived_;
  std::uint32_t sets_arrived_ = 0;
  std::uint64_t next_set_from_ = 0;  ///< Where the byte of the next one may stand.
  bool look_at_socket_ = false;
  bool waits_for_socket_ = false;
  std::optional<int> ended_;  ///< What the socket said when it ended: 0, or an errno.

  // The front of a control frame.
  std::byte control_[sizeof(wire::FrameHeader)];
  std::size_t control_bytes_ = 0;
  std::vector<Descriptor> control_descriptors_;
  bool control_lost_ = false;
};

}  // namespace tincan::transport
