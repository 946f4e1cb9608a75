#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ring/end.h"
#include "transport/socket_channel.h"
#include "wire/frame.h"

namespace tincan::transport {

/// The socket while a ring stands beside it. It carries headers without a body, and nothing else:
/// descriptors, sent before the byte of the ring that they belong to, the word that the ring is
/// revoked, and the end of the connection. docs/ring-layout.md.
class RingSocket {
 public:
  explicit RingSocket(SocketChannel& socket) : socket_(socket) {}

  /// Errors: EAGAIN there is no room now · EPIPE, ECONNRESET the peer is gone.
  [[nodiscard]] os::Sys<void> send_descriptors(std::uint64_t position,
                                               std::span<const Descriptor> descriptors);
  /// What is published from `position` on will not be taken; or: so it was understood.
  [[nodiscard]] os::Sys<void> send_revoke(std::uint64_t position);
  /// True while a `send_…` has to be made again when there is room.
  [[nodiscard]] bool waits_for_room() const { return waits_for_room_; }

  /// There may be something to read.
  void has_news() { has_news_ = true; }
  /// Takes in what is there, as far as there is a place for it. `sets_announced` is how many sets
  /// of descriptors the peer says it has sent; `consumed` where our reading of the ring stands.
  /// Errors: EPROTO they are not there, or something else is.
  /// `end`, if given, says how many there are by the time that one more has come.
  [[nodiscard]] os::Sys<void> look(std::uint32_t sets_announced, std::uint64_t consumed,
                                   const ring::End* end = nullptr);
  /// The same when the ring is not read any more, up to the word that it is revoked. One set of
  /// descriptors may come before it.
  [[nodiscard]] os::Sys<void> look_for_revoke(std::uint64_t consumed);
  [[nodiscard]] bool is_to_be_looked_at(std::uint32_t sets_announced) const {
    return has_news_ || is_missing(sets_announced);
  }

  /// There is no place for a further set before the byte of the first one is read.
  [[nodiscard]] bool is_full() const { return arrived_.size() == sets_max; }
  /// Where the next byte with descriptors stands.
  [[nodiscard]] std::optional<std::uint64_t> next_set() const {
    return arrived_.empty() ? std::nullopt : std::optional(arrived_.front().position);
  }
  /// Appends the descriptors of that byte to `into`, or drops them. True: some were lost.
  [[nodiscard]] bool take_set(std::vector<Descriptor>* into);
  /// The peer has sent `send_revoke`, with this position. Nothing behind it was read.
  [[nodiscard]] std::optional<std::uint64_t> revoked_at() const { return revoked_at_; }
  /// What the socket said when it ended: 0, or an errno.
  [[nodiscard]] std::optional<int> ended() const { return ended_; }

 private:
  struct Arrived {
    std::uint64_t position = 0;
    std::vector<Descriptor> descriptors;
    bool lost = false;
  };

  [[nodiscard]] os::Sys<void> send(const wire::FrameHeader& header,
                                   std::span<const Descriptor> descriptors);
  [[nodiscard]] os::Sys<void> take(std::uint32_t sets_announced, std::uint64_t consumed,
                                   const ring::End* end);
  [[nodiscard]] bool takes_more(std::uint32_t sets_announced) const;
  /// Whether a set was announced that has not arrived. (One may have arrived that is announced
  /// next.)
  [[nodiscard]] bool is_missing(std::uint32_t sets_announced) const {
    return static_cast<std::int32_t>(sets_announced - sets_arrived_) > 0;
  }

  /// One whose byte is being read, and one that shows where that read has to stop.
  static constexpr std::size_t sets_max = 2;

  SocketChannel& socket_;
  std::vector<Arrived> arrived_;
  std::uint32_t sets_arrived_ = 0;
  std::uint64_t next_set_from_ = 0;  ///< Where the byte of a further one may stand.
  std::optional<std::uint64_t> revoked_at_;
  std::optional<int> ended_;
  bool has_news_ = false;
  bool waits_for_room_ = false;

  // The front of a header.
  std::byte header_[sizeof(wire::FrameHeader)];
  std::size_t header_bytes_ = 0;
  std::vector<Descriptor> header_descriptors_;
  bool header_lost_ = false;
};

}  // namespace tincan::transport
