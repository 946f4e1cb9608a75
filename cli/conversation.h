#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "exit_code.h"
#include "tincan/stream.h"

namespace cli {

/// Why a conversation ended before both sides had said all.
struct BrokenOff {
  ExitCode code;
  tincan::Outcome outcome;  ///< Of the bytes that were sent.
  tincan::Cause cause;
  std::string message;
};

/// Carries bytes both ways between a stream and stdin and stdout, and never waits for one of them
/// alone: whoever is slow holds up only his own direction.
class Conversation {
 public:
  /// `address` is for messages.
  Conversation(tincan::Stream& stream, std::string address)
      : stream_(stream), address_(std::move(address)) {}

  using Turn = std::expected<void, BrokenOff>;

  /// Until both sides have said all, or the peer is gone.
  Turn run();

  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }

 private:
  /// A piece that was read and not yet written to where it goes.
  struct Direction {
    // One send(2) of this size does not block when poll(2) said POLLOUT, for the kernel asks for
    // room before it takes a buffer, not for all of it (net/core/sock.c, sock_alloc_send_pskb).
    std::array<char, 16 * 1024> bytes;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool ended = false;  ///< Nothing more comes in.

    [[nodiscard]] bool empty() const { return begin == end; }
    [[nodiscard]] bool done() const { return ended && empty(); }
    [[nodiscard]] std::string_view piece() const { return {bytes.data() + begin, end - begin}; }
  };

  [[nodiscard]] bool over() const {
    return incoming_.done() && outgoing_.empty() && (outgoing_.ended || peer_gone_);
  }
  Turn turn();
  Turn read_stdin();
  Turn read_stream();
  Turn write_stdout();
  Turn write_stream();
  [[nodiscard]] std::unexpected<BrokenOff> fail_here(const char* what, int error) const;
  [[nodiscard]] std::unexpected<BrokenOff> fail(const tincan::Failure& failure) const;
  [[nodiscard]] std::unexpected<BrokenOff> fail_unread() const;
  /// What is certain about everything that was sent, not about the last piece of it.
  [[nodiscard]] tincan::Outcome outcome() const;

  tincan::Stream& stream_;
  const std::string address_;
  Direction outgoing_;
  Direction incoming_;
  bool peer_gone_ = false;    ///< It takes nothing any more.
  bool left_unread_ = false;  ///< It has gone without having read all.
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace cli
