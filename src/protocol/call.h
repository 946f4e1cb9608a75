#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/payload.h"
#include "base/time.h"
#include "protocol/loans.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"
#include "wire/body.h"
#include "wire/frame.h"
#include "wire/prologue.h"

namespace tincan::protocol {

/// A payload that lies in memory of the peer's. Whoever gets one ends it with Session::end_loan.
struct LoanedPayload {
  std::uint64_t number = 0;  ///< Of the memory; 0: it does not.
  std::uint64_t bytes = 0;
};

/// What a call of ours brought back.
struct Answer {
  Payload payload;
  std::vector<Descriptor> descriptors;
  LoanedPayload loan;
};

/// What a frame has before its payload, at the most.
inline constexpr std::size_t batch_front_bytes =
    sizeof(wire::FrameHeader) + wire::encoded_prologue_bytes_max;

/// A call of ours, from `Session::start` until `Events::on_end`. It is the caller's, often on its
/// stack, and must stay where it is meanwhile.
class OutgoingCall {
 public:
  std::string_view method;              ///< Borrowed until the call ends.
  std::span<const std::byte> payload;   ///< Borrowed until the call ends.
  std::vector<Descriptor> descriptors;  ///< Taken by start().
  Lending lending;                      ///< In place of the payload; its file is taken too.
  Answer answer;                        ///< Filled when it ends with one.
  Moment deadline = Moment::never();
  bool idempotent = false;
  bool one_way = false;

  /// A batch: the payload is many messages, see wire/batch.h, the largest of which has so many
  /// bytes.
  bool is_batch = false;
  std::size_t message_bytes_max = 0;
  /// Where it begins. There is room for batch_front_bytes before it, to be written to by `start`.
  std::byte* batch_begin = nullptr;

  /// Not a constant, for of a constant all of the memory would be cleared, each time.
  OutgoingCall() {}  // NOLINT(modernize-use-equals-default)
  OutgoingCall(const OutgoingCall&) = delete;
  OutgoingCall& operator=(const OutgoingCall&) = delete;

 private:
  friend class Session;
  friend class CallQueue;

  enum class Stage : std::uint8_t {
    idle,      ///< The session does not know it.
    queued,    ///< Waits for a slot or for room; nothing of it is on the stream.
    partly,    ///< Its first fragments are on the stream.
    whole,     ///< Its last byte is on the stream, at `end_`; perhaps not written yet.
    given_up,  ///< As `whole`, and the server has been told that nobody waits.
  };

  Stage stage_ = Stage::idle;
  std::uint64_t id_ = 0;
  std::size_t encoded_bytes_ = 0;        ///< Of the payload.
  std::uint64_t deadline_position_ = 0;  ///< Where on the stream its deadline stands.
  std::uint64_t end_ = 0;                ///< The stream's position behind its last byte.
  OutgoingCall* previous_ = nullptr;
  OutgoingCall* next_ = nullptr;
};

/// Calls in the order in which they were started, linked through themselves.
class CallQueue {
 public:
  [[nodiscard]] bool empty() const { return front_ == nullptr; }
  [[nodiscard]] OutgoingCall* front() const { return front_; }
  [[nodiscard]] OutgoingCall* back() const { return back_; }
  void push(OutgoingCall& call) {
    call.previous_ = back_;
    call.next_ = nullptr;
    (back_ == nullptr ? front_ : back_->next_) = &call;
    back_ = &call;
  }
  void remove(OutgoingCall& call) {
    (call.previous_ == nullptr ? front_ : call.previous_->next_) = call.next_;
    (call.next_ == nullptr ? back_ : call.next_->previous_) = call.previous_;
    call.previous_ = call.next_ = nullptr;
  }

 private:
  OutgoingCall* front_ = nullptr;
  OutgoingCall* back_ = nullptr;
};

/// A call of the peer's that has arrived whole.
struct IncomingCall {
  std::uint64_t id = 0;
  std::string_view method;            ///< Borrowed until on_call returns.
  Moment deadline = Moment::never();  ///< On our clock.
  bool idempotent = false;
  bool one_way = false;
  Payload payload;
  std::vector<Descriptor> descriptors;
  LoanedPayload loan = {};
};

/// One-way messages of the peer's to one method that have arrived, as they lie in the input.
struct IncomingBatch {
  std::uint64_t id = 0;
  std::string_view method;            ///< Borrowed until on_batch returns, like the bytes.
  Moment deadline = Moment::never();  ///< On our clock.
  std::span<const std::byte> bytes;   ///< The message; or several, each behind its length:
  std::uint32_t messages = 1;         ///< so many.
  bool has_lengths = false;
};

/// What became of an answer of ours.
enum class Delivery : std::uint8_t {
  queued,       ///< It is on the stream.
  gone,         ///< The caller has gone; nothing was done.
  too_large,    ///< It exceeds what the caller accepts, who got an error instead.
  descriptors,  ///< It carries more descriptors than the caller accepts; likewise.
  no_loan,      ///< The caller takes no such memory, or no more of it now; likewise.
};

/// How the peer's reason reads on our side.
[[nodiscard]] Failure failure_of(const wire::Error& error);

}  // namespace tincan::protocol
