#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "protocol/call.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"
#include "wire/body.h"

namespace tincan::protocol {

/// Hears what happens on a session. Called from inside `receive`, `written` and `end`; may start
/// calls and answer, must not destroy the session.
class Events {
 public:
  virtual ~Events() = default;
  /// The time, asked for when a call's deadline is to be judged.
  virtual Moment now() = 0;
  /// The peer's HELLO was accepted: calls may go out, and come in.
  virtual void on_hello() = 0;
  /// A whole call. It is to be answered once by `reply` or `fail`, unless it is one-way, and
  /// released once.
  virtual void on_call(IncomingCall&& call) = 0;
  /// One-way messages without descriptors, to be taken while they lie in the input, which saves a
  /// copy of each. False: each of them is wanted as a call; `on_call` gets them one by one.
  virtual bool on_batch(const IncomingBatch& /*batch*/) { return false; }
  /// A whole call came after its deadline; it was answered so, and not handed over.
  virtual void on_expired() {}
  /// Whether the peer's requests may hold so many bytes here in all. False: there is no room for
  /// the next one now, and it is refused as `exhausted`.
  virtual bool may_hold(std::uint64_t /*bytes*/) { return true; }
  /// The caller of the incoming call tagged with `tag` has given it up. It still wants an answer.
  virtual void on_cancel(void* tag) = 0;
  /// `call` has ended, and is the caller's again: with `call.answer`, or because of `failure`,
  /// which may be moved from. For a one-way call without failure: its last byte was written.
  virtual void on_end(OutgoingCall& call, Failure* failure) = 0;
  /// A step towards a ring, or away. Returns what the peer did wrong, or null. After one that ends
  /// the stream, `receive` takes nothing more of this stream: what comes next comes from elsewhere.
  virtual const char* on_upgrade(std::uint64_t /*id*/, const wire::Upgrade& /*step*/,
                                 std::vector<Descriptor>&& /*descriptors*/) {
    return "an UPGRADE that nobody asked for";
  }
  /// The peer takes no further calls; those it had accepted it will still answer.
  virtual void on_drain() = 0;
  /// The peer wants to hand memory over: from now on descriptors may come with HANDOVER.
  virtual void on_loans_wanted() {}
  /// It has: `file`, which is whatever the peer likes. Messages may name it by its number.
  virtual void on_loan(std::uint64_t /*number*/, const wire::HandedOver& /*memory*/,
                       Descriptor&& /*file*/) {}
  /// No further message names it, and nobody uses it: nothing of it is needed any more.
  virtual void on_loan_over(std::uint64_t /*number*/) {}
  /// The peer has released some memory of ours; which, its Lendable knows.
  virtual void on_released() {}
};

}  // namespace tincan::protocol
