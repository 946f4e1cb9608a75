#pragma once

#include <fcntl.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/session.h"
#include "unit/wire/frames.h"
#include "wire/batch.h"

/// One end of a connection in memory: a session, and a record of all that it told us.
namespace tincan::protocol::test {

using wire::test::Bytes;
using wire::test::bytes_of;
using wire::test::text_of;

inline constexpr std::size_t fragment = limits::fragment_bytes_max;

inline std::vector<Descriptor> descriptors(std::size_t count) {
  std::vector<Descriptor> list;
  for (std::size_t i = 0; i < count; ++i) {
    list.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  return list;
}

/// A call that owns what it borrows, and counts its ends.
class Call : public OutgoingCall {
 public:
  explicit Call(std::string method_name = "echo", std::string payload_text = {})
      : name_(std::move(method_name)), text_(std::move(payload_text)) {
    method = name_;
    payload = bytes_of(text_);
  }

  int ends = 0;
  std::optional<Result<Answer>> result;
  [[nodiscard]] bool replied() const { return result && result->has_value(); }
  [[nodiscard]] std::string reply() const {
    return replied() ? text_of((*result)->payload.bytes()) : "no reply";
  }
  /// It ended in a failure with this outcome and cause.
  [[nodiscard]] bool failed(Outcome outcome, Cause cause) const {
    return result && !result->has_value() && result->error().outcome() == outcome &&
           result->error().cause() == cause;
  }

 private:
  std::string name_;
  std::string text_;
};

/// A call of the other side's, copied.
struct Received {
  std::uint64_t id = 0;
  std::string method;
  std::string payload;
  Moment deadline;
  bool idempotent = false;
  bool one_way = false;
  std::vector<Descriptor> descriptors;
  LoanedPayload loan = {};
};

class PoolHolder {
 public:
  PoolHolder() : pool_(PayloadPool::create()) {}
  PoolHolder(const PoolHolder&) = delete;
  ~PoolHolder() { pool_->drop(); }
  [[nodiscard]] PayloadPool& operator*() const { return *pool_; }

 private:
  PayloadPool* const pool_;
};

/// A step of an UPGRADE, copied.
struct ReceivedStep {
  std::uint64_t id = 0;
  wire::Upgrade::Step step = {};
  std::uint64_t capacity_bytes = 0;
  std::string reason;
  std::size_t descriptors = 0;
};

class Side final : public Events {
  PoolHolder pool_;
  const Settings settings_;

 public:
  explicit Side(const Settings& settings = {})
      : settings_(settings), session(settings_, *pool_, *this) {}

  Session session;
  Moment time{1'000'000'000};
  bool greeted = false;
  bool drained = false;
  std::deque<Received> calls;
  bool takes_batches = false;         ///< As they lie in the input.
  std::vector<std::string> messages;  ///< Of batches taken so.
  std::vector<ReceivedStep> steps;    ///< Of UPGRADE.
  const char* objection = nullptr;    ///< To each of them.
  int expired = 0;
  std::vector<std::uint64_t> loans;  ///< The numbers of the memory that it was handed.
  int releases = 0;
  std::vector<void*> cancelled;
  std::vector<std::string> events;        ///< All of them, in words.
  std::optional<Failure> failure;         ///< Why receive() ended the connection.
  bool holds = false;                     ///< Payloads of calls are not released.
  std::function<void(Received&)> answer;  ///< Runs in on_call.
  std::function<void(Call&)> ended;       ///< Runs in on_end.
  std::function<void()> greeting;         ///< Runs in on_hello.

  Moment now() override { return time; }

  void on_hello() override {
    greeted = true;
    events.push_back("hello");
    if (greeting) greeting();
  }

  void on_call(IncomingCall&& call) override {
    const auto bytes = call.payload.bytes();
    calls.push_back({.id = call.id,
                     .method = std::string(call.method),
                     .payload = text_of(bytes),
                     .deadline = call.deadline,
                     .idempotent = call.idempotent,
                     .one_way = call.one_way,
                     .descriptors = std::move(call.descriptors),
                     .loan = call.loan});
    const Received& got = calls.back();
    events.push_back("call " + std::to_string(got.id) + " " + got.method + " " + digest(bytes) +
                     " " + std::to_string(got.deadline.nanoseconds()) +
                     (got.one_way ? " one-way" : "") + (got.idempotent ? " idempotent" : "") + " " +
                     std::to_string(got.descriptors.size()));
    if (!holds) session.release(bytes.size(), call.one_way);
    if (answer) answer(calls.back());
  }

  bool on_batch(const IncomingBatch& batch) override {
    if (!takes_batches) return false;
    std::span<const std::byte> rest = batch.bytes;
    for (std::uint32_t i = 0; i < batch.messages; ++i) {
      messages.push_back(text_of(batch.has_lengths ? wire::take_message(rest) : rest));
    }
    return true;
  }

  void on_expired() override { ++expired; }

  void on_cancel(void* tag) override {
    cancelled.push_back(tag);
    events.push_back("cancel");
  }

  void on_end(OutgoingCall& outgoing, Failure* why) override {
    auto& call = static_cast<Call&>(outgoing);
    Result<Answer> result = std::move(call.answer);
    if (why != nullptr) result = std::unexpected(std::move(*why));
    ++call.ends;
    // A one-way call ends when it is written, which is nothing that was heard.
    if (!call.one_way)
      events.push_back(result ? "reply " + digest(result->payload.bytes()) + " " +
                                    std::to_string(result->descriptors.size())
                              : "failure " + result.error().explain());
    call.result = std::move(result);
    if (ended) ended(call);
  }

  const char* on_upgrade(std::uint64_t id, const wire::Upgrade& step,
                         std::vector<Descriptor>&& with) override {
    steps.push_back({.id = id,
                     .step = step.step,
                     .capacity_bytes = step.capacity_bytes,
                     .reason = std::string(step.reason),
                     .descriptors = with.size()});
    return objection;
  }

  void on_loan(std::uint64_t number, const wire::HandedOver&, Descriptor&&) override {
    loans.push_back(number);
  }
  void on_loan_over(std::uint64_t number) override { std::erase(loans, number); }
  void on_released() override { ++releases; }

  void on_drain() override {
    drained = true;
    events.push_back("drain");
  }

  /// Takes bytes as if they had arrived, and keeps what the session leaves.
  void take(std::span<const std::byte> bytes, std::vector<Descriptor> descriptors = {}) {
    if (failure) return;
    session.arrived(std::move(descriptors));
    unread_.insert(unread_.end(), bytes.begin(), bytes.end());
    resume();
  }
  void take(const Bytes& bytes, std::vector<Descriptor> descriptors = {}) {
    take(std::span<const std::byte>(bytes), std::move(descriptors));
  }

  /// Goes on with what was left. True when some of it could be taken.
  bool resume() {
    if (failure || unread_.empty()) return false;
    const auto consumed = session.receive(unread_);
    if (!consumed) {
      failure = consumed.error();
      events.push_back("over: " + failure->explain());
      session.end(*failure);
      return true;
    }
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(*consumed));
    return *consumed > 0;
  }

  /// Writes at most `bytes_max` bytes of one chunk to `other`. False when there was nothing, or
  /// when the other side does not read.
  bool send(Side& other, std::size_t bytes_max = SIZE_MAX) {
    if (other.failure || !other.session.wants_input()) return false;
    const auto chunk = session.output();
    if (chunk.bytes.empty()) return false;
    const auto part = chunk.bytes.first(std::min(bytes_max, chunk.bytes.size()));
    const Bytes bytes(part.begin(), part.end());
    std::vector<Descriptor> copies;
    for (const Descriptor& descriptor : chunk.descriptors)
      copies.push_back(*descriptor.duplicate());
    session.written(bytes.size());
    other.take(bytes, std::move(copies));
    return true;
  }

  /// Writes everything, to nobody, and returns it.
  Bytes say() {
    Bytes said;
    for (;;) {
      const auto chunk = session.output();
      if (chunk.bytes.empty()) return said;
      said.insert(said.end(), chunk.bytes.begin(), chunk.bytes.end());
      session.written(chunk.bytes.size());
    }
  }

  /// What `say` would, as frames: "call", "reply+", where + stands for "more follows".
  std::vector<std::string> say_kinds() {
    const Bytes said = say();
    std::vector<std::string> kinds;
    for (const wire::Frame& frame : wire::test::frames_of(said)) {
      kinds.emplace_back(wire::name(frame.header.kind));
      if ((frame.header.flags & wire::flag_more) != 0) kinds.back() += '+';
    }
    return kinds;
  }

  [[nodiscard]] bool breached() const { return failure && failure->cause() == Cause::breach; }

 private:
  static std::string digest(std::span<const std::byte> bytes) {
    return std::to_string(bytes.size()) + ":" +
           std::to_string(std::hash<std::string>()(text_of(bytes)));
  }

  Bytes unread_;
};

/// Carries everything both ways until neither has anything to say.
inline void converse(Side& one, Side& other) {
  bool busy = true;
  while (busy) {
    busy = one.send(other);
    busy |= other.send(one);
    busy |= one.resume();
    busy |= other.resume();
  }
}

/// Two sides that have greeted each other. The server answers by itself when `echoes`.
struct Pair {
  Side client;
  Side server;

  explicit Pair(const Settings& of_client = {}, const Settings& of_server = {})
      : client(of_client), server(of_server) {
    test::converse(client, server);
  }
  void echo() {
    server.answer = [this](Received& call) {
      if (!call.one_way) server.session.reply(call.id, bytes_of(call.payload), {});
    };
  }
  void converse() { test::converse(client, server); }
};

}  // namespace tincan::protocol::test
