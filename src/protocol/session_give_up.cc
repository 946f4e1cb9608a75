#include <algorithm>
#include <span>

#include "protocol/session.h"

// Calls of ours that somebody no longer waits for, and the ends of all.

namespace tincan::protocol {

using wire::Kind;

void Session::drop_fragments(std::uint64_t id) {
  // A reply of ours, to a call of the peer's, may have the same id.
  const auto found = std::ranges::find_if(fragments_, [&](const Fragments& message) {
    return message.kind == Kind::call && message.id == id;
  });
  if (found == fragments_.end()) return;
  fragments_bytes_ -= found->rest.size();
  fragments_.erase(found);
}

bool Session::give_up(OutgoingCall& call) {
  using Stage = OutgoingCall::Stage;
  const auto detach = [&] {
    if (OutgoingSlot* const slot = outgoing(call.id_)) slot->call = nullptr;
    call.stage_ = Stage::idle;
  };
  switch (call.stage_) {
    case Stage::idle:
      return true;
    case Stage::queued:
      waiting_.remove(call);
      call.stage_ = Stage::idle;
      return true;
    case Stage::partly:
      // The server cannot run what it never gets whole. Its answer to the cancel frees the slot.
      put_bare(Kind::cancel, call.id_);
      drop_fragments(call.id_);
      detach();
      return true;
    case Stage::whole: {
      // As long as its deadline is ours to change, the call can still be made one that the server
      // must not run: it has expired.
      const std::int64_t expired = INT64_MIN;
      if (outbox_.patch(call.deadline_position_, std::as_bytes(std::span(&expired, 1)))) {
        if (call.one_way) one_ways_.remove(call);
        detach();
        return true;
      }
      if (!call.one_way) put_bare(Kind::cancel, call.id_);
      call.stage_ = Stage::given_up;
      return false;
    }
    case Stage::given_up:
      return false;
  }
  return false;
}

void Session::abandon(OutgoingCall& call) {
  using Stage = OutgoingCall::Stage;
  if (call.stage_ == Stage::queued || call.stage_ == Stage::partly) {
    [[maybe_unused]] const bool not_sent = give_up(call);
  }
  if (call.stage_ == Stage::idle) return;
  if (call.one_way) one_ways_.remove(call);
  if (OutgoingSlot* const slot = outgoing(call.id_)) slot->call = nullptr;
  call.stage_ = Stage::idle;
}

void Session::fail_call(OutgoingCall& call, Failure why) {
  call.stage_ = OutgoingCall::Stage::idle;
  events_.on_end(call, &why);
}

}  // namespace tincan::protocol
