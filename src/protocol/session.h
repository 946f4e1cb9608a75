#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/payload.h"
#include "base/time.h"
#include "protocol/call.h"
#include "protocol/events.h"
#include "protocol/outbox.h"
#include "protocol/settings.h"
#include "protocol/verdict.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"
#include "wire/body.h"
#include "wire/frame.h"
#include "wire/prologue.h"

/// The protocol of one connection, without any I/O: bytes, descriptors and the time go in; bytes to
/// write and events come out. The same code runs behind a socket, a ring and a simulator.
namespace tincan::protocol {

/// One connection's protocol, the same on both sides: each may call the other.
///
/// Threads: one at a time.
class Session {
 public:
  /// Puts our HELLO on the stream. `settings` are shared with other sessions and outlive them, but
  /// the wall clock may be set between one connection and the next: `clock_offset_nanoseconds` is
  /// CLOCK_REALTIME - CLOCK_MONOTONIC, here and now.
  Session(const Settings& settings, std::int64_t clock_offset_nanoseconds, PayloadPool& pool,
          Events& events);
  /// The same with settings of its own, which outlive it too.
  Session(const Settings& settings, PayloadPool& pool, Events& events)
      : Session(settings, settings.clock_offset_nanoseconds, pool, events) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Coming in.

  /// Descriptors that came with the bytes about to be received.
  void arrived(std::vector<Descriptor>&& descriptors) {
    if (!descriptors.empty()) arrived_.push_back(std::move(descriptors));
  }
  /// Takes whole frames off the front of `bytes` and returns how many bytes that was; the rest is
  /// to be offered again, with more behind it. Stops early while `wants_input` is false, and after
  /// Settings::frames_per_receive.
  /// Errors: the connection is over: what the peer did wrong (`breach`, `not_tincan`), or why it
  /// sent us away (`refused`, `exhausted`, …). Call `end` and close.
  [[nodiscard]] std::expected<std::size_t, Failure> receive(std::span<const std::byte> bytes);
  /// False while the peer has more with us than we allow: unread answers, requests held.
  [[nodiscard]] bool wants_input() const {
    return held_bytes_ <= settings_.incoming_bytes_max &&
           held_one_ways_ <= settings_.calls_in_flight_max &&
           unsent_bytes() <= settings_.outgoing_bytes_pause;
  }
  /// True when `receive` left bytes that it could go on with, as soon as it wants input.
  [[nodiscard]] bool stopped_early() const { return stopped_early_; }
  /// Bytes of the peer's requests that are being received, or delivered and not released.
  [[nodiscard]] std::uint64_t incoming_bytes() const { return partials_bytes_ + held_bytes_; }
  /// True when the failure of `receive` was the peer's word, and not ours about the peer.
  [[nodiscard]] bool peer_said_goodbye() const { return peer_said_goodbye_; }
  /// True until the peer's HELLO has come.
  [[nodiscard]] bool expects_hello() const { return !greeted_; }

  // Going out.

  /// What to write. Calls and answers are put on the stream here, as slots and room come free.
  [[nodiscard]] Outbox::Chunk output() {
    if (!waiting_.empty()) begin_waiting_calls();
    if (!fragments_.empty()) encode_next_fragments();
    return outbox_.front();
  }
  void written(std::size_t bytes) {
    outbox_.advance(bytes);
    if (!one_ways_.empty()) complete_one_way_calls();
  }
  /// True when `output` has something to write, or may have.
  [[nodiscard]] bool has_output() const {
    return unsent_bytes() > 0 || !waiting_.empty() || !fragments_.empty();
  }
  /// Bytes of answers and calls that wait to be written, payloads of large ones included.
  [[nodiscard]] std::uint64_t unsent_bytes() const {
    return outbox_.unsent_bytes() + fragments_bytes_;
  }
  [[nodiscard]] Outbox& outbox() { return outbox_; }

  /// From now on calls and answers say that this side runs on `cpu`: for a peer that looks at its
  /// socket before it sleeps.
  void say_cpu(std::uint32_t cpu) { cpu_ = cpu; }
  /// Where the peer last said that it runs, any number; `cpu_unknown` until it has.
  [[nodiscard]] std::uint32_t peer_cpu() const { return peer_cpu_; }
  static constexpr std::uint32_t cpu_unknown = UINT32_MAX;

  /// Both sides have this ability.
  [[nodiscard]] bool may(wire::Ability ability) const {
    return (settings_.abilities & peer_.abilities & ability) != 0;
  }
  /// Puts a step on the stream. After one that ends it, see Outbox::stop_here.
  void upgrade(std::uint64_t id, const wire::Upgrade& step, std::vector<Descriptor>&& descriptors);

  // Calls of ours.

  /// Begins `call`, which then belongs to the session until `on_end`.
  /// Errors, for which there is no on_end: `too_large`, `unsupported` (descriptors), `draining`.
  /// A batch may lie on the stream as it is: Outbox::keep_lent is due before the caller goes on.
  [[nodiscard]] Result<void> start(OutgoingCall& call);
  /// The caller waits no longer. True: the call is the caller's again and was not sent. False: the
  /// server was told; wait a grace for its verdict (on_end), then `abandon`.
  [[nodiscard]] bool give_up(OutgoingCall& call);
  /// Takes the call back without a verdict: its outcome is unknown.
  void abandon(OutgoingCall& call);
  [[nodiscard]] bool peer_is_draining() const { return peer_drains_; }
  [[nodiscard]] std::size_t calls_in_flight() const { return used_slots_; }

  // Calls of the peer's.

  /// `tag` will name the call to on_cancel.
  void tag(std::uint64_t id, void* tag) {
    if (IncomingSlot* const slot = incoming(id)) slot->tag = tag;
  }
  Delivery reply(std::uint64_t id, std::span<const std::byte> payload,
                 std::vector<Descriptor>&& descriptors);
  /// The same with memory in place of a payload.
  Delivery reply_with_loan(std::uint64_t id, Lending&& lending,
                           std::vector<Descriptor>&& descriptors);
  Delivery fail(std::uint64_t id, const wire::Error& error);
  /// An incoming call is over and done with: what it held of our allowance is back.
  void release(std::size_t payload_bytes, bool one_way, std::size_t descriptors = 0) {
    held_bytes_ -= payload_bytes;
    held_descriptors_ -= static_cast<std::uint32_t>(descriptors);
    if (one_way) --held_one_ways_;
  }
  /// Incoming calls that were not answered yet.
  [[nodiscard]] std::size_t calls_to_answer() const { return calls_to_answer_; }
  /// Takes no calls from here on, and tells the peer how many were taken.
  void drain();
  /// Tells the peer why the connection is about to be closed.
  void say_goodbye(const wire::Error& error);

  // Memory that is handed over: session_loans.cc.

  /// The peer takes memory, if we ask first: `ask_to_lend`.
  [[nodiscard]] bool may_lend() const {
    return may(wire::ability_handover) && peer_.loans_max > 0 && !ended_;
  }
  /// It takes memory now.
  [[nodiscard]] bool lends() const { return peer_takes_loans_; }
  /// Asks, the first time. Calls with memory wait for the answer by themselves.
  void ask_to_lend();
  /// The peer has this memory, and messages may name it again: no file is needed.
  [[nodiscard]] bool has_lent(const Lendable* memory) {
    return loans_ != nullptr && loans_->out.find(memory) != nullptr;
  }
  /// No further message will name `memory`; the peer keeps nothing of it once it is not used there.
  /// Does nothing while a call waits that names it and has no file.
  void take_back(const Lendable* memory);
  /// A payload that lay in the peer's memory is looked at no more.
  void end_loan(const LoanedPayload& loan);

  /// The connection is over: every call of ours ends, as *not sent* if its last byte was not
  /// written, else as *unknown*, with the cause and detail of `why`.
  void end(const Failure& why);

  /// What the peer allows; zeros before its HELLO.
  [[nodiscard]] const wire::Hello& peer_hello() const { return peer_; }

 private:
  /// An answer to a call of ours whose fragments are arriving.
  struct PartialAnswer {
    std::uint64_t missing_bytes = 0;
    Answer answer;
  };
  /// A call of ours that was begun. Its place is its slot number.
  struct OutgoingSlot {
    std::uint64_t id = 0;                   ///< 0: free.
    OutgoingCall* call = nullptr;           ///< Null: abandoned; the answer is awaited and dropped.
    std::unique_ptr<PartialAnswer> answer;  ///< While it comes in fragments.
    std::uint16_t next_free = wire::CallId::no_slot;
  };
  /// A call of the peer's whose fragments are arriving.
  struct Partial {
    std::string method;
    IncomingCall call;
    std::uint64_t promised_bytes = 0;
    std::uint64_t received_bytes = 0;
    /// Why it is not wanted. The rest of it is dropped as it comes, and it is answered at its end,
    /// so that its slot is not free while its fragments still come.
    std::optional<wire::Reason> refusal;
    std::string refusal_text;
  };
  using Partials = std::map<std::uint64_t, Partial>;
  /// A call of the peer's that is being received or waits for its answer.
  struct IncomingSlot {
    std::uint64_t id = 0;  ///< 0: free.
    void* tag = nullptr;
  };
  /// A message of ours with fragments still to go.
  struct Fragments {
    wire::Kind kind;
    std::uint64_t id;
    OutgoingCall* call;  ///< Null for a reply.
    std::span<const std::byte> rest;
    Payload owned;
  };

  // session.cc
  [[gnu::cold, gnu::noinline]] Verdict over(Failure why);
  /// The end of a connection whose peer broke the protocol: `what` it did.
  [[gnu::cold, gnu::noinline]] Verdict breach(std::string_view what);

  // session_input.cc
  [[gnu::noinline]] Verdict take_preamble(std::span<const std::byte>& bytes);
  Verdict take_frames(std::span<const std::byte>& bytes);
  [[gnu::noinline]] Verdict take_other(const wire::Parsed& parsed);
  Verdict dispatch(const wire::Frame& frame);
  [[gnu::cold, gnu::noinline]] std::unexpected<Failure> why_over();
  Verdict take_hello(const wire::Frame& frame);
  Verdict take_ping(const wire::Frame& frame);
  Verdict take_drain(const wire::Frame& frame);
  Verdict take_upgrade(const wire::Frame& frame);
  Verdict take_descriptors(const wire::Frame& frame, std::vector<Descriptor>& descriptors) {
    return frame.header.descriptors == 0 ? Verdict() : take_arrived(frame, descriptors);
  }
  Verdict take_arrived(const wire::Frame& frame, std::vector<Descriptor>& descriptors);
  Verdict take_announced(const wire::Frame& frame, std::vector<Descriptor>& descriptors);
  [[nodiscard]] Moment on_our_clock(std::int64_t peer_nanoseconds) const {
    return clock_shift_nanoseconds_ == 0 ? Moment(peer_nanoseconds) : shifted(peer_nanoseconds);
  }
  [[nodiscard]] Moment shifted(std::int64_t peer_nanoseconds) const;

  // session_calls.cc
  Verdict take_call(const wire::Frame& frame);
  Verdict take_first_fragment(const wire::Frame& frame);
  Verdict take_whole(IncomingCall& call, std::span<const std::byte> payload);
  void hold_whole(IncomingCall& call, std::span<const std::byte> payload);
  Verdict take_next_fragment(const wire::Frame& frame);
  [[gnu::noinline]] void add_incoming_slots(std::uint16_t up_to);
  Verdict occupy(wire::CallId id, bool one_way);
  Verdict take_numbered_method(const wire::Prologue& prologue, std::string_view& method);
  /// Whether a call has a place here that will be so long and came with so many descriptors.
  [[nodiscard]] bool has_room_for(std::uint64_t promised_bytes, std::size_t descriptors) const;
  /// Whether what is shared with other connections has room for so many more bytes.
  [[nodiscard]] bool may_hold(std::uint64_t more_bytes) {
    const std::uint64_t bytes = incoming_bytes() + more_bytes;
    return bytes <= settings_.incoming_bytes_free || events_.may_hold(bytes);
  }
  /// Why there is none.
  [[gnu::cold]] [[nodiscard]] std::string lack_of_room(std::uint64_t promised_bytes,
                                                       std::size_t descriptors) const;
  Verdict begin_partial(IncomingCall&& call, std::uint64_t promised_bytes,
                        std::span<const std::byte> payload);
  Verdict add_to_partial(Partials::iterator at, std::span<const std::byte> payload, bool more);
  void deliver(IncomingCall& call);
  void expire(IncomingCall& call);
  [[nodiscard]] bool has_expired(Moment deadline) {
    return !deadline.is_never() && deadline <= events_.now();
  }
  Verdict take_cancel(const wire::Frame& frame);
  [[gnu::noinline]] Verdict take_one_way(IncomingCall& call, std::span<const std::byte> payload);
  Verdict take_batch(IncomingCall& call, std::span<const std::byte> batch);
  void deliver_one_by_one(const IncomingBatch& batch);
  IncomingSlot* incoming(std::uint64_t id) { return slot_of(incoming_, id); }

  // session_answers.cc
  Verdict take_reply(const wire::Frame& frame);
  [[gnu::noinline]] Verdict drop_answer(const wire::Frame& frame, OutgoingSlot& slot);
  [[gnu::noinline]] Verdict take_answer_fragment(const wire::Frame& frame, OutgoingSlot& slot);
  Verdict begin_answer(const wire::Frame& frame, OutgoingSlot& slot);
  Verdict add_to_answer(OutgoingSlot& slot, std::span<const std::byte> payload, bool more);
  Verdict take_error(const wire::Frame& frame);
  OutgoingSlot* outgoing(std::uint64_t id) { return slot_of(outgoing_, id); }
  /// The slot that the call with this id is in, or null.
  template <class Slot>
  static Slot* slot_of(std::vector<Slot>& slots, std::uint64_t id) {
    const std::uint16_t number = wire::CallId::of(id).slot;
    if (number >= slots.size() || id == 0) return nullptr;
    Slot& slot = slots[number];
    return slot.id == id ? &slot : nullptr;
  }

  // session_loans.cc
  Verdict take_handover(const wire::Frame& frame);
  void take_loans();
  Verdict take_memory(const wire::Frame& frame);
  Verdict take_release(const wire::Frame& frame);
  [[gnu::noinline]] Verdict take_loan(const wire::Frame& frame, const wire::LentPayload& named,
                                      std::span<const std::byte> payload, LoanedPayload& loan);
  [[gnu::noinline]] Verdict drop_call(const wire::Frame& frame);
  [[nodiscard]] [[gnu::noinline]] bool may_begin_lending(const Lending& lending);
  [[nodiscard]] [[gnu::noinline]] Result<void> refusal_to_lend(const Lending& lending);
  [[nodiscard]] bool is_counted_on(const Lendable* memory) const;
  LoansOut::Loan& hand_over(Lending& lending);
  void name_loan(LoansOut::Loan& loan, const Lending& lending);

  // session_output.cc
  [[nodiscard]] wire::Prologue prologue_of(const OutgoingCall& call) const;
  void begin(OutgoingCall& call);
  void begin_waiting_calls();
  /// What a first frame has taken of the payload, and where on the stream its deadline stands.
  struct FirstFrame {
    std::size_t payload_bytes;
    std::uint64_t deadline;
  };
  template <bool more>
  [[gnu::always_inline]] FirstFrame encode_first(wire::FrameHeader header, wire::Prologue prologue,
                                                 std::span<const std::byte> payload,
                                                 std::vector<Descriptor>& descriptors);
  [[gnu::noinline]] FirstFrame encode_lent(wire::FrameHeader header, wire::Prologue prologue,
                                           Lending& lending, std::vector<Descriptor>& descriptors);
  static wire::FrameHeader header_of(const OutgoingCall& call);
  template <bool more>
  [[gnu::always_inline]] std::size_t encode_call(OutgoingCall& call);
  [[gnu::noinline]] void begin_batch(OutgoingCall& call);
  [[gnu::noinline]] void begin_in_fragments(OutgoingCall& call);
  [[gnu::noinline]] void begin_with_loan(OutgoingCall& call);
  [[gnu::noinline]] void reply_in_fragments(wire::FrameHeader header,
                                            std::span<const std::byte> payload,
                                            std::vector<Descriptor>& descriptors);
  [[gnu::cold, gnu::noinline]] Delivery fail_to_reply(std::uint64_t id, std::size_t bytes,
                                                      std::size_t descriptors);
  void add_fragments(Fragments&& message);
  void encode_next_fragments();
  void put_bare(wire::Kind kind, std::uint64_t id);
  void put_error(std::uint64_t id, const wire::Error& error);
  void encode_next_fragment(Fragments& message);
  void completed(OutgoingCall& call);
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] bool may_begin(const OutgoingCall& call);
  [[gnu::cold, gnu::noinline]] Result<void> refusal_of(const OutgoingCall& call) const;
  std::uint16_t take_slot();
  void free_slot(OutgoingSlot& slot) {
    slot.next_free = std::exchange(first_free_slot_, wire::CallId::of(slot.id).slot);
    slot.id = 0;
    slot.call = nullptr;
    slot.answer.reset();
    --used_slots_;
  }
  void drop_fragments(std::uint64_t id);
  void finish(OutgoingCall& call) {
    call.stage_ = OutgoingCall::Stage::idle;
    events_.on_end(call, nullptr);
  }
  [[gnu::cold, gnu::noinline]] void fail_call(OutgoingCall& call, Failure why);
  void complete_one_way_calls();

  const Settings& settings_;
  PayloadPool& pool_;
  Events& events_;
  Outbox outbox_;
  wire::Hello peer_;
  std::int64_t clock_shift_nanoseconds_;  ///< Until the peer's HELLO our own clock's offset.

  bool greeted_ = false;
  bool drains_ = false;
  bool peer_drains_ = false;
  bool ended_ = false;
  bool peer_said_goodbye_ = false;
  bool stopped_early_ = false;
  bool asked_to_lend_ = false;       ///< The peer, by us,
  bool peer_takes_loans_ = false;    ///< and it has answered.
  bool takes_loans_ = false;         ///< We have, to the peer.
  bool input_moved_ = false;         ///< The stream that is being received has ended.
  std::uint32_t taken_besides_ = 0;  ///< Messages of the frame just taken, but for the first.
  std::uint8_t preamble_bytes_ = 0;
  std::uint32_t cpu_ = cpu_unknown;
  std::uint32_t peer_cpu_ = cpu_unknown;

  // Outgoing.
  std::uint64_t sequence_ = 0;
  std::vector<OutgoingSlot> outgoing_;
  std::uint16_t first_free_slot_ = wire::CallId::no_slot;
  std::size_t used_slots_ = 0;
  CallQueue waiting_;   ///< Not begun.
  CallQueue one_ways_;  ///< Whole on the stream, not written.
  std::vector<Fragments> fragments_;
  std::size_t next_fragments_ = 0;
  std::uint64_t fragments_bytes_ = 0;

  // Incoming.
  std::uint64_t peer_sequence_ = 0;
  std::vector<IncomingSlot> incoming_;
  Partials partials_;  ///< By id; a tree, for what ids there are is the peer's choice.
  std::uint64_t partials_bytes_ = 0;  ///< Promised by the calls in partials_.
  std::uint64_t held_bytes_ = 0;      ///< Delivered and not released.
  std::uint32_t held_one_ways_ = 0;
  std::uint32_t held_descriptors_ = 0;  ///< Of calls in partials_ too.
  std::size_t calls_to_answer_ = 0;
  std::vector<std::vector<Descriptor>> arrived_;
  std::unique_ptr<Loans> loans_;           ///< Made when either side first wants to lend.
  std::vector<std::string> method_names_;  ///< By the number that the peer gave them.
  std::unique_ptr<Failure> over_;          ///< Why the peer's input ends, once it does.
};

}  // namespace tincan::protocol
