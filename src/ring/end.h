#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "ring/layout.h"

namespace tincan::ring {

/// One end of a pair of rings: the producer of one and the consumer of the other, and when to wake
/// whom. A stream of bytes in both directions, no more; frames are the business of those above.
///
/// The other side may write anything into its words at any moment. Each is loaded once and bounded
/// by positions that are private here; what does not fit makes the end `is_breached` for good,
/// after which nothing is read or written.
///
/// Order: bytes are copied, then `produced` is stored; it is loaded, then bytes are copied out,
/// then `consumed` is stored. Those pairs are release and acquire. Publishing, releasing, falling
/// asleep and revoking are each a store followed by a load of what the other side stores (the
/// classic store buffer), so these are sequentially consistent: either the producer sees the
/// sleeper, or the sleeper the bytes. tests/unit/ring goes through all orders; docs/ring-layout.md
/// says what each is for.
///
/// Threads: one at a time. No system calls; whoever owns it rings the doorbell when told to.
template <class Atomics>
class BasicEnd {
 public:
  using Words = BasicWords<Atomics>;

  /// `out` and `in` are the bytes of the two rings, of the same power of two.
  BasicEnd(Words& ours, const Words& theirs, std::span<std::byte> out,
           std::span<const std::byte> in)
      : ours_(ours), theirs_(theirs), out_(out), in_(in) {}

  // Producing.

  /// Copies what fits of `bytes` behind what was written before. Nobody sees it until `publish`.
  std::size_t write(std::span<const std::byte> bytes);
  /// Whether `write` would take something.
  [[nodiscard]] bool has_room() {
    return !breached_ && (written_ - peer_consumed_ < out_.size() || room() > 0);
  }
  /// The next written byte has a set of descriptors, which is on the socket already.
  void announce_descriptors() { ++descriptor_sets_; }
  /// Lets the other side see what was written. True: it sleeps, and its doorbell is to be rung.
  [[nodiscard]] bool publish();
  [[nodiscard]] std::uint64_t written() const { return written_; }
  /// Where the next `bytes` go, or the first of them: no further than is known to be free, nor than
  /// the end of our ring's memory.
  [[nodiscard]] std::span<const std::byte> next_room(std::size_t bytes) const {
    const std::size_t at = written_ & (out_.size() - 1);
    const std::size_t known_room = out_.size() - (written_ - peer_consumed_);
    return out_.subspan(at, std::min({bytes, known_room, out_.size() - at}));
  }
  /// Bytes written that the other side had not taken out when last we looked.
  [[nodiscard]] std::uint64_t untaken() const { return written_ - peer_consumed_; }

  // Consuming.

  /// Copies up to `into.size()` published bytes out, whose room `release` gives back.
  std::size_t read(std::span<std::byte> into);
  /// Whether `read` would give something.
  [[nodiscard]] bool is_readable() { return available() > 0; }
  /// Tells the producer of the room. True: it sleeps for some, and its doorbell is to be rung.
  [[nodiscard]] bool release();
  [[nodiscard]] std::uint64_t consumed() const { return consumed_; }
  /// Bytes published that were not read, when last we looked.
  [[nodiscard]] std::uint64_t unread() const { return peer_produced_ - consumed_; }
  /// Where they lie, or the first `most`, up to the end of the ring's memory: only to fetch them
  /// early.
  [[nodiscard]] std::span<const std::byte> next_unread(std::size_t most) const {
    const std::size_t at = consumed_ & (in_.size() - 1);
    return in_.subspan(at, std::min<std::uint64_t>({most, unread(), in_.size() - at}));
  }
  /// Sets of descriptors that the other side has sent for what is published.
  [[nodiscard]] std::uint32_t peer_descriptor_sets() const {
    return theirs_.descriptor_sets.load(std::memory_order_relaxed);
  }

  // Waiting.

  /// Says that this side sleeps for `what` (of Sleep), and looks once more. False: it must not, for
  /// something has come; it is awake then.
  [[nodiscard]] bool fall_asleep(std::uint32_t what);
  /// For a thread that looks on its own whether something was published since: of all that is here,
  /// it touches the other side's word alone.
  struct Watch {
    const typename Atomics::template Word<std::uint64_t>* produced;
    std::uint64_t seen;
    std::span<const std::byte> next;  ///< What is published comes here, and then elsewhere.
    [[nodiscard]] bool operator()() const {
      return produced->load(std::memory_order_acquire) != seen;
    }
    /// Where what was published since lies, or the first `most` bytes: only to fetch it early.
    [[nodiscard]] std::span<const std::byte> come(std::size_t most) const {
      const std::uint64_t count = produced->load(std::memory_order_relaxed) - seen;
      return next.first(std::min<std::uint64_t>({count, most, next.size()}));
    }
  };
  [[nodiscard]] Watch watch() const {
    return {&theirs_.produced, peer_produced_, in_.subspan(peer_produced_ & (in_.size() - 1))};
  }
  /// Says where this side runs.
  void say_cpu(std::uint32_t cpu) {
    if (std::exchange(cpu_, cpu) != cpu) ours_.cpu.store(cpu, std::memory_order_relaxed);
  }
  /// Where the other side says that it runs: any number.
  [[nodiscard]] std::uint32_t peer_cpu() const {
    return theirs_.cpu.load(std::memory_order_relaxed);
  }
  /// It rings no doorbell of ours any more.
  void wake_up() {
    sleep_ &= ~what_mask;
    ours_.sleep.store(sleep_, std::memory_order_relaxed);
  }

  // The end of it.

  /// Takes nothing more out of the other's ring: what is published from here on stays there. What
  /// was published before is still to be read, up to `last_readable`. True: ring the doorbell.
  [[nodiscard]] bool revoke();
  /// After `revoke`: where what we read ends.
  [[nodiscard]] std::uint64_t last_readable() const { return peer_produced_; }
  /// The other side has revoked, and has said that it reads up to `position`: from there on, what
  /// was published has to go another way. False: that makes no sense.
  [[nodiscard]] bool ends_at(std::uint64_t position) {
    if (position < peer_consumed_ || position > published_) breached_ = true;
    return !breached_;
  }
  /// What was published from `position` on, up to the end of our ring's memory.
  [[nodiscard]] std::span<const std::byte> published_from(std::uint64_t position) const {
    const std::size_t at = position & (out_.size() - 1);
    return out_.subspan(at, std::min<std::uint64_t>(published_ - position, out_.size() - at));
  }
  /// Whether the other side has taken out all that was published, or says so.
  [[nodiscard]] bool is_drained_by_peer() const {
    return theirs_.consumed.load(std::memory_order_acquire) == published_;
  }
  /// The other side has revoked, as of the last `publish`, `release` or `fall_asleep`: what it has
  /// not consumed it never will.
  [[nodiscard]] bool is_revoked_by_peer() const { return peer_revoked_; }

  /// The other side's words made no sense.
  [[nodiscard]] bool is_breached() const { return breached_; }

 private:
  static constexpr std::uint32_t what_mask = sleeps_for_bytes | sleeps_for_room;

  [[nodiscard]] std::size_t room();
  [[nodiscard]] std::uint64_t available();
  [[nodiscard]] bool is_to_be_rung(std::uint32_t for_what);
  [[nodiscard]] std::uint32_t peer_sleep();
  void look_for_bytes(std::memory_order order);
  void learn_consumed(std::uint64_t peer_consumed);
  void learn_produced(std::uint64_t peer_produced);

  Words& ours_;
  const Words& theirs_;
  const std::span<std::byte> out_;
  const std::span<const std::byte> in_;

  std::uint64_t written_ = 0;        ///< Copied into our ring,
  std::uint64_t published_ = 0;      ///< of which so much the other side may see,
  std::uint64_t peer_consumed_ = 0;  ///< and so much it had taken when last we looked.
  std::uint64_t peer_produced_ = 0;  ///< Published in its ring when last we looked,
  std::uint64_t consumed_ = 0;       ///< of which so much was copied out,
  std::uint64_t released_ = 0;       ///< and so much it knows of.
  std::uint32_t descriptor_sets_ = 0;
  std::uint32_t cpu_ = cpu_unknown;
  std::uint32_t sleep_ = 0;     ///< Our sleep word.
  std::uint32_t rung_for_ = 0;  ///< The other's sleep word when its doorbell was last rung.
  bool peer_revoked_ = false;
  bool breached_ = false;
};

template <class Atomics>
std::size_t BasicEnd<Atomics>::write(std::span<const std::byte> bytes) {
  std::size_t count = bytes.size();
  const std::size_t known_room = out_.size() - (written_ - peer_consumed_);
  if (count > known_room || breached_) count = std::min(count, room());
  if (count == 0) return 0;  // an empty span may be null, which memcpy(3) may not be given
  const std::size_t at = written_ & (out_.size() - 1);
  const std::size_t before_the_end = std::min(count, out_.size() - at);
  Atomics::copy(out_.data() + at, bytes.data(), before_the_end);
  Atomics::copy(out_.data(), bytes.data() + before_the_end, count - before_the_end);
  written_ += count;
  return count;
}

template <class Atomics>
std::size_t BasicEnd<Atomics>::room() {
  if (!breached_) learn_consumed(theirs_.consumed.load(std::memory_order_acquire));
  return breached_ ? 0 : out_.size() - (written_ - peer_consumed_);
}

template <class Atomics>
void BasicEnd<Atomics>::learn_consumed(std::uint64_t peer_consumed) {
  // It can have taken no more than was published, and gives nothing back that it had taken.
  if (peer_consumed > published_ || peer_consumed < peer_consumed_) {
    breached_ = true;
  } else {
    peer_consumed_ = peer_consumed;
  }
}

template <class Atomics>
bool BasicEnd<Atomics>::publish() {
  if (written_ == published_) return false;
  published_ = written_;
  // Seen by whoever sees the bytes: it is stored before them.
  ours_.descriptor_sets.store(descriptor_sets_, std::memory_order_relaxed);
  ours_.produced.store(published_, std::memory_order_seq_cst);
  return is_to_be_rung(sleeps_for_bytes);
}

/// Once for each time that it falls asleep, whatever comes meanwhile.
template <class Atomics>
bool BasicEnd<Atomics>::is_to_be_rung(std::uint32_t for_what) {
  const std::uint32_t sleep = peer_sleep();
  if ((sleep & for_what) == 0 || sleep == rung_for_) return false;
  rung_for_ = sleep;
  return true;
}

template <class Atomics>
std::uint32_t BasicEnd<Atomics>::peer_sleep() {
  const std::uint32_t sleep = theirs_.sleep.load(std::memory_order_seq_cst);
  peer_revoked_ = peer_revoked_ || (sleep & ring_revoked) != 0;
  return sleep;
}

template <class Atomics>
void BasicEnd<Atomics>::learn_produced(std::uint64_t peer_produced) {
  // Backwards or further than its ring is long: neither can be.
  if (peer_produced < peer_produced_ || peer_produced - consumed_ > in_.size()) {
    breached_ = true;
  } else {
    peer_produced_ = peer_produced;
  }
}

/// Not once we have revoked: how far we read was settled then, and the other side sends again what
/// is behind it.
template <class Atomics>
void BasicEnd<Atomics>::look_for_bytes(std::memory_order order) {
  if ((sleep_ & ring_revoked) == 0) learn_produced(theirs_.produced.load(order));
}

template <class Atomics>
std::uint64_t BasicEnd<Atomics>::available() {
  if (peer_produced_ == consumed_) look_for_bytes(std::memory_order_acquire);
  return breached_ ? 0 : peer_produced_ - consumed_;
}

template <class Atomics>
std::size_t BasicEnd<Atomics>::read(std::span<std::byte> into) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), available()));
  if (count == 0) return 0;
  const std::size_t at = consumed_ & (in_.size() - 1);
  const std::size_t before_the_end = std::min(count, in_.size() - at);
  Atomics::copy(into.data(), in_.data() + at, before_the_end);
  Atomics::copy(into.data() + before_the_end, in_.data(), count - before_the_end);
  consumed_ += count;
  return count;
}

template <class Atomics>
bool BasicEnd<Atomics>::release() {
  if (consumed_ == released_) return false;
  released_ = consumed_;
  ours_.consumed.store(released_, std::memory_order_seq_cst);
  return is_to_be_rung(sleeps_for_room);
}

template <class Atomics>
bool BasicEnd<Atomics>::fall_asleep(std::uint32_t what) {
  sleep_ = ((sleep_ & ~what_mask) + sleep_count_step) | what;
  ours_.sleep.store(sleep_, std::memory_order_seq_cst);
  const bool knew_of_revoke = peer_revoked_;
  (void)peer_sleep();
  bool nothing_has_come = knew_of_revoke || !peer_revoked_;
  if ((what & sleeps_for_bytes) != 0) {
    look_for_bytes(std::memory_order_seq_cst);
    nothing_has_come = nothing_has_come && peer_produced_ == consumed_;
  }
  if ((what & sleeps_for_room) != 0) {
    learn_consumed(theirs_.consumed.load(std::memory_order_seq_cst));
    nothing_has_come = nothing_has_come && written_ - peer_consumed_ == out_.size();
  }
  if (nothing_has_come && !breached_) return true;
  wake_up();
  return false;
}

template <class Atomics>
bool BasicEnd<Atomics>::revoke() {
  sleep_ |= ring_revoked;
  ours_.sleep.store(sleep_, std::memory_order_seq_cst);
  learn_produced(theirs_.produced.load(std::memory_order_seq_cst));
  return is_to_be_rung(what_mask);
}

using End = BasicEnd<CpuAtomics>;

}  // namespace tincan::ring
