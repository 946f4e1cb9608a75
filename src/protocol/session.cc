#include "protocol/session.h"

#include "base/check.h"
#include "base/no_memory.h"

namespace tincan::protocol {

Session::Session(const Settings& settings, std::int64_t clock_offset_nanoseconds, PayloadPool& pool,
                 Events& events)
    : settings_(settings),
      pool_(pool),
      events_(events),
      clock_shift_nanoseconds_(clock_offset_nanoseconds) {
  const wire::Hello hello{.payload_bytes_max = settings.payload_bytes_max,
                          .calls_in_flight_max = settings.calls_in_flight_max,
                          .descriptors_max = settings.descriptors_max,
                          .abilities = settings.abilities,
                          .clock_offset_nanoseconds = clock_offset_nanoseconds,
                          .nonce = settings.nonce,
                          .loans_max = settings.loans_max,
                          .loan_bytes_max = settings.loan_bytes_max};
  outbox_.commit(wire::encode_hello(hello, outbox_.prepare(wire::encoded_hello_bytes_max)));
}

Session::~Session() {
  if (loans_ != nullptr) loans_->out.end_all();
}

Verdict Session::over(Failure why) {
  over_ = std::make_unique<Failure>(std::move(why));
  return Verdict::over();
}

Verdict Session::breach(std::string_view what) {
  return over(Failure(Cause::breach, std::string(what)));
}

void Session::end(const Failure& why) {
  if (ended_) return;
  ended_ = true;
  const auto not_sent = [&] { return end_of_call(why, Outcome::not_sent); };
  while (OutgoingCall* const call = waiting_.front()) {
    waiting_.remove(*call);
    fail_call(*call, not_sent());
  }
  while (OutgoingCall* const call = one_ways_.front()) {
    one_ways_.remove(*call);
    // Those wholly written have left the list: complete_one_way_calls.
    fail_call(*call, not_sent());
  }
  for (Fragments& message : fragments_) {
    if (message.call == nullptr) continue;
    if (message.call->one_way) fail_call(*message.call, not_sent());
  }
  fragments_.clear();
  fragments_bytes_ = 0;
  for (OutgoingSlot& slot : outgoing_) {
    OutgoingCall* const call = std::exchange(slot.call, nullptr);
    if (call == nullptr) continue;
    const bool written =
        call->stage_ != OutgoingCall::Stage::partly && call->end_ <= outbox_.written();
    const Outcome outcome = written ? Outcome::unknown : Outcome::not_sent;
    fail_call(*call, end_of_call(why, outcome));
  }
  if (loans_ != nullptr) loans_->out.end_all();
}

Failure failure_of(const wire::Error& error) {
  const auto make = [&](Outcome outcome, Cause cause) {
    return Failure(outcome, cause, std::string(error.text)).with_code(error.code);
  };
  switch (error.reason) {
    case wire::Reason::declared:
      return make(Outcome::declared, Cause::declared);
    case wire::Reason::dropped:
      return make(Outcome::declared, Cause::declared);
    case wire::Reason::threw:
      return make(Outcome::declared, Cause::declared);
    case wire::Reason::no_method:
      return make(Outcome::not_sent, Cause::no_method);
    case wire::Reason::refused:
      return make(Outcome::not_sent, Cause::refused);
    case wire::Reason::expired:
      return make(Outcome::not_sent, Cause::deadline);
    case wire::Reason::cancelled:
      return make(Outcome::not_sent, Cause::cancelled);
    case wire::Reason::exhausted:
      return make(Outcome::not_sent, Cause::exhausted);
    case wire::Reason::too_large:
      return make(Outcome::not_sent, Cause::too_large);
    case wire::Reason::draining:
      return make(Outcome::not_sent, Cause::draining);
    case wire::Reason::breach:
      return make(Outcome::unknown, Cause::breach);
    case wire::Reason::reply_lost:
      return make(Outcome::declared, Cause::too_large);
  }
  return make(Outcome::unknown, Cause::breach);
}

}  // namespace tincan::protocol
