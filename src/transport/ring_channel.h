#pragma once

#include <cstdint>
#include <utility>

#include "os/doorbell.h"
#include "transport/channel.h"
#include "transport/ring_memory.h"
#include "transport/ring_socket.h"

namespace tincan::transport {

/// How often one ring was filled that had been half empty meanwhile: it is too short for what is
/// written at once. One that stays full waits for a slow reader, whom no length would help.
class FillCount {
 public:
  void note_full() {
    if (!std::exchange(full_, true)) ++times_;
  }
  void note(std::uint64_t bytes, std::size_t capacity_bytes) {
    if (full_ && bytes <= capacity_bytes / 2) full_ = false;
  }
  [[nodiscard]] std::uint32_t times() const { return times_; }

 private:
  std::uint32_t times_ = 0;
  bool full_ = false;
};

/// A pair of rings in shared memory as a channel, beside the socket over which they were agreed on.
///
/// Reading and writing make no system call, except to ring a peer that sleeps and to pass
/// descriptors.
///
/// Threads: one at a time, reader and writer alike.
class RingChannel final : public Channel {
 public:
  /// `socket` outlives it. `ours` wakes the peer, at `theirs` it wakes us.
  RingChannel(RingSocket& socket, int fd, RingMemory memory, os::Doorbell ours,
              os::DoorbellListener theirs);

  [[nodiscard]] os::Sys<std::size_t> write(std::span<const std::byte> bytes,
                                           std::span<const Descriptor> descriptors) override;
  [[nodiscard]] os::Sys<Read> read(std::span<std::byte> into,
                                   std::vector<Descriptor>* descriptors) override;
  [[nodiscard]] int fd() const override { return fd_; }

  // Waiting. A thread that sleeps watches `fd` and `doorbell_fd`, the latter edge-triggered.

  [[nodiscard]] int doorbell_fd() const { return listener_.fd(); }
  /// `doorbell_fd` had an event.
  void rung() { listener_.rung(); }
  /// Says that we are about to sleep, for `what` of ring::Sleep. False: there is no need to; look
  /// again instead.
  [[nodiscard]] bool fall_asleep(std::uint32_t what) { return end_.fall_asleep(what); }
  void wake_up() { end_.wake_up(); }
  /// Bytes that `read` would give are there.
  [[nodiscard]] bool is_readable() { return end_.is_readable(); }
  [[nodiscard]] bool has_room() { return end_.has_room(); }

  /// What was found is going to be read, after something else: has the CPU fetch it meanwhile.
  void fetch_ahead();

  /// How often either ring was filled; see FillCount.
  [[nodiscard]] std::uint32_t fills() const { return out_fills_.times() + in_fills_.times(); }

  // The end of it.

  /// Takes nothing more that is published from here on. See RingSocket::send_revoke for the rest.
  void revoke();
  [[nodiscard]] bool is_revoked_by_peer() const { return end_.is_revoked_by_peer(); }
  [[nodiscard]] ring::End& end() { return end_; }
  [[nodiscard]] RingMemory& memory() { return memory_; }
  [[nodiscard]] std::size_t capacity_bytes() const { return memory_.capacity_bytes(); }

 private:
  [[nodiscard]] std::unexpected<os::Errno> no_room();
  [[nodiscard]] bool look();
  void expect_to_write();
  [[nodiscard]] os::Sys<Read> nothing_there(std::span<std::byte> into,
                                            std::vector<Descriptor>* descriptors);

  RingSocket& socket_;
  const int fd_;
  RingMemory memory_;
  ring::End end_;
  const os::Doorbell doorbell_;
  os::DoorbellListener listener_;
  FillCount out_fills_;
  FillCount in_fills_;
  std::size_t last_written_ = 0;  ///< In one call, since `expect_to_write`.
};

}  // namespace tincan::transport
