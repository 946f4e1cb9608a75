#pragma once

#include <cstdint>

#include "tincan/limits.h"

namespace tincan::protocol {

/// What one side allows the other.
struct Settings {
  std::uint64_t payload_bytes_max = limits::payload_bytes_max;
  std::uint32_t calls_in_flight_max = limits::calls_in_flight_max;  ///< 0: none, not even one-way.
  std::uint32_t outgoing_calls_max = limits::calls_in_flight_max;   ///< Or what the peer allows.
  std::uint32_t descriptors_max = 0;
  std::uint32_t descriptors_held_max = limits::descriptors_held_max;
  std::uint64_t incoming_bytes_max = limits::incoming_bytes_max;
  /// While the peer's requests hold no more than this here, Events::may_hold is not asked.
  std::uint64_t incoming_bytes_free = UINT64_MAX;
  std::uint64_t outgoing_bytes_pause = limits::outgoing_bytes_pause;
  /// After so many frames `receive` stops, so that nobody else waits long.
  std::uint32_t frames_per_receive = UINT32_MAX;
  std::uint64_t abilities = 0;  ///< wire::Ability: of these, what the peer has too.
  std::uint32_t loans_max = 0;  ///< Memory that the peer hands over, at once.
  std::uint64_t loan_bytes_max = 0;
  bool always_takes_loans = false;  ///< The peer need not ask before the first.
  /// CLOCK_REALTIME - CLOCK_MONOTONIC, here and now; for sessions that have their settings alone.
  std::int64_t clock_offset_nanoseconds = 0;
  /// A number that no other session is likely to have: a HELLO that brings it back is our own, sent
  /// by somebody who sends everything back. 0: not sent, and not looked for.
  std::uint64_t nonce = 0;
};

}  // namespace tincan::protocol
