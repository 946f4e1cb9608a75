#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "transport/ring_channel.h"

namespace tincan::transport {

/// The channel of a connection: its socket, and for as long as both sides have agreed on it, a ring
/// beside it. Each direction moves on its own, at a place in its stream that the session marks, so
/// that no byte overtakes another:
///
/// - to the ring: whoever writes has put the mark on the socket (`move_output`), whoever reads has
///   found it there (`move_input`). The mark travels with a descriptor, for a read of a socket ends
///   behind bytes that have some: nothing that is sent after it can come along.
/// - back to the socket: the server revokes the ring, says how far it reads, and goes on writing on
///   the socket. The client sends again what the server does not read, and goes on reading there
///   once it has read its own ring to the end. The session notices nothing of it.
///
/// Threads: one reader and one writer while neither uses a ring; else one at a time.
class MovingChannel final : public Channel {
 public:
  explicit MovingChannel(Descriptor socket) : socket_(std::move(socket)) {}
  ~MovingChannel() override;

  [[nodiscard]] os::Sys<std::size_t> write(std::span<const std::byte> bytes,
                                           std::span<const Descriptor> descriptors) override {
    if (output_ == Path::socket) return socket_.write(bytes, descriptors);
    return write_beside(bytes, descriptors);
  }
  [[nodiscard]] os::Sys<Read> read(std::span<std::byte> into,
                                   std::vector<Descriptor>* descriptors) override {
    if (input_ == Path::socket) return socket_.read(into, descriptors);
    return read_beside(into, descriptors);
  }
  [[nodiscard]] int fd() const override { return socket_.fd(); }
  [[nodiscard]] SocketChannel& socket() { return socket_; }

  // To the ring.

  /// A ring was agreed on. `ours` wakes the peer, at `theirs` it wakes us.
  void add_ring(RingMemory memory, os::Doorbell ours, os::DoorbellListener theirs);
  /// Of the client: once the server takes this ring back, nothing more is written, and reading ends
  /// with ESTALE behind what is in it. To be called behind `add_ring`.
  void insist_on_ring() { pair_->insists = true; }
  void move_output() { output_ = Path::ring; }
  void move_input();
  [[nodiscard]] bool has_ring() const { return pair_ != nullptr; }
  [[nodiscard]] bool writes_to_ring() const { return output_ == Path::ring; }
  [[nodiscard]] bool reads_from_ring() const { return input_ == Path::ring; }
  /// `read` does not simply read the socket.
  [[nodiscard]] bool reads_beside() const { return input_ != Path::socket; }
  /// Of each of the two rings; 0 without one.
  [[nodiscard]] std::size_t capacity_bytes() const {
    return pair_ && pair_->ring ? pair_->ring->capacity_bytes() : 0;
  }
  /// See RingChannel::fills.
  [[nodiscard]] std::uint32_t ring_fills() const {
    return pair_ && pair_->ring ? pair_->ring->fills() : 0;
  }

  // Back to the socket.

  /// Of the server, whose output has moved: moves back. `flush` and `read` do it.
  void revoke();
  /// There is something to write before what the session has to write.
  [[nodiscard]] bool is_returning() const { return output_ == Path::resending; }
  /// Writes what of that can be. Errors: as `write`.
  [[nodiscard]] os::Sys<void> flush();
  /// Nothing more goes through the ring. `drop_ring` is due, once nobody watches `doorbell_fd`.
  [[nodiscard]] bool is_ring_over() const {
    if (!pair_) return false;
    if (pair_->we_revoked && pair_->ring) {
      // However long the client takes to follow; but what it published before is read when it does.
      return input_ != Path::ring && (!pair_->awaits_move || pair_->end == 0);
    }
    const bool both_left = input_ == Path::socket && output_ == Path::socket;
    return both_left && pair_->told && !pair_->awaits_move;
  }
  void drop_ring();
  /// Of the server, before it closes in good order: the client may still read what is in the ring.
  /// Otherwise nothing is left of it, for the pages could be charged to us for as long as the
  /// client keeps the file.
  void leave_ring_to_peer();

  // Waiting. A thread that sleeps watches `fd`, and `doorbell_fd` edge-triggered.

  /// -1 without a ring.
  [[nodiscard]] int doorbell_fd() const {
    return pair_ && pair_->ring ? pair_->ring->doorbell_fd() : -1;
  }
  /// `doorbell_fd` had an event.
  void rung() {
    if (pair_ && pair_->ring) pair_->ring->rung();
  }
  /// `fd` had an event, and not only that there is room.
  void socket_has_news() {
    if (pair_) pair_->socket.has_news();
  }
  /// Says that we are about to sleep until there is something to read, or room, or either. False:
  /// there is no need to; look again instead.
  [[nodiscard]] bool fall_asleep(bool for_bytes, bool for_room);
  void wake_up() {
    if (pair_ && pair_->ring) pair_->ring->wake_up();
  }
  /// Bytes that `read` would give are in the ring, or it would find out that the ring is breached.
  [[nodiscard]] bool is_ring_readable() {
    if (input_ != Path::ring) return false;
    return pair_->ring->is_readable() || pair_->ring->end().is_breached();
  }
  /// Is about to be read when something was found in the ring: see RingChannel.
  void fetch_ahead() {
    if (input_ == Path::ring) pair_->ring->fetch_ahead();
  }
  /// Some of what is to be written would go into the ring.
  [[nodiscard]] bool has_ring_room() { return waits_for_ring_room() && pair_->ring->has_room(); }
  /// See ring::End; while it reads from the ring.
  [[nodiscard]] ring::End::Watch watch() const { return pair_->ring->end().watch(); }
  void say_cpu(std::uint32_t cpu) { pair_->ring->end().say_cpu(cpu); }
  [[nodiscard]] std::uint32_t peer_cpu() const { return pair_->ring->end().peer_cpu(); }
  /// Room is to be waited for at the socket, by poll(2).
  [[nodiscard]] bool waits_for_room_at_socket() const {
    return output_ != Path::ring || pair_->socket.waits_for_room();
  }

 private:
  /// Where one direction of the stream goes.
  enum class Path : std::uint8_t {
    socket,
    ring,
    resending,  ///< Output: to the socket, as soon as what has to go before has gone.
    returning,  ///< Input: the ring is read, and the socket's stream has not begun.
    belated,    ///< Input: from the socket, and descriptors have come before their byte.
  };

  /// What there is besides the socket while there is a ring.
  struct Pair {
    explicit Pair(SocketChannel& channel) : socket(channel) {}
    RingSocket socket;
    std::optional<RingChannel> ring;
    bool insists = false;  ///< On the ring: see insist_on_ring.
    bool we_revoked = false;
    bool left_to_peer = false;
    bool awaits_move = false;    ///< We revoked before the client had moved, as it still will.
    bool told = false;           ///< The other side, that we have revoked, or that we heard of it.
    std::uint64_t end = 0;       ///< Where what the revoker reads ends.
    std::uint64_t position = 0;  ///< Ours, from there on: of what was sent again, or read.
  };

  /// A ring that is revoked takes nothing however much room it has: the word of it comes next.
  [[nodiscard]] bool waits_for_ring_room() const {
    return output_ == Path::ring && !pair_->socket.waits_for_room() &&
           !pair_->ring->is_revoked_by_peer();
  }
  [[nodiscard]] os::Sys<std::size_t> write_beside(std::span<const std::byte> bytes,
                                                  std::span<const Descriptor> descriptors);
  [[nodiscard]] os::Sys<void> hear_of_revoke();
  [[nodiscard]] os::Sys<Read> read_beside(std::span<std::byte> into,
                                          std::vector<Descriptor>* descriptors);
  [[nodiscard]] os::Sys<Read> read_returning(std::span<std::byte> into,
                                             std::vector<Descriptor>* descriptors);
  [[nodiscard]] os::Sys<Read> read_belated(std::span<std::byte> into,
                                           std::vector<Descriptor>* descriptors);

  SocketChannel socket_;
  Path output_ = Path::socket;
  Path input_ = Path::socket;
  std::unique_ptr<Pair> pair_;
  /// Of the server: the last ring, which the client had not read to its end when it was dropped.
  /// The client may have taken its pages away before we wrote there: then they are ours to pay.
  std::unique_ptr<RingMemory> unread_;
};

}  // namespace tincan::transport
