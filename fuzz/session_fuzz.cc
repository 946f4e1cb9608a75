// A whole connection, driven by a list of operations: two sessions of ours that talk to each other,
// each of which may also be told anything by a liar. What is checked does not depend on whether the
// peer lies: every call ends exactly once, nothing is held beyond what was promised, and as long as
// nobody lied, what is *not sent* did not run and every reply is the right one.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "protocol/session.h"
#include "wire/batch.h"

namespace {

using namespace tincan;
using protocol::OutgoingCall;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

/// Takes the input apart. At its end everything is zero.
class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  std::size_t word() {
    const std::size_t low = byte();
    return low | std::size_t{byte()} << 8;
  }
  std::span<const std::byte> bytes(std::size_t count) {
    const auto taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return std::as_bytes(taken);
  }

 private:
  std::span<const std::uint8_t> rest_;
};

/// A call of one side, with what is known of it.
struct Call : OutgoingCall {
  int number = 0;
  std::string name;
  std::string text;
  int ends = 0;
  bool is_over = false;
  bool not_sent = false;
  bool replied = false;
  std::string reply;
};

std::string reply_to(std::size_t bytes) { return std::string(bytes / 2 + 1, 'r'); }

constexpr int descriptor_base = 1 << 24;  // numbers that no process has
constexpr std::size_t calls_max = 64;

const protocol::Settings settings{
    .payload_bytes_max = 200'000,
    .calls_in_flight_max = 4,
    .descriptors_max = 3,
    .incoming_bytes_max = 250'000,
    .outgoing_bytes_pause = 300'000,
    .abilities = wire::ability_batch | wire::ability_handover | wire::ability_shared_views,
    .loans_max = 3,
    .loan_bytes_max = 100'000,
    .clock_offset_nanoseconds = 0};

/// Memory of one side, with what is known of it.
class Memory final : public protocol::Lendable {
 public:
  void begin_use() override { ++uses_; }
  void end_use() override { require(--uses_ >= 0, "no use ends twice"); }
  void hold() override { ++holders_; }
  void drop() override { require(--holders_ >= 0, "memory is dropped once"); }
  void check_unused() const {
    require(uses_ == 0 && holders_ == 0, "nothing is used after the end");
  }

 private:
  int uses_ = 0;
  int holders_ = 0;
};
constexpr std::size_t memories_max = 5;

class Side final : public protocol::Events {
 public:
  explicit Side(std::int64_t clock_offset) : pool_(PayloadPool::create()) {
    session_ = std::make_unique<protocol::Session>(settings, clock_offset, *pool_, *this);
  }
  Side(const Side&) = delete;
  ~Side() override {
    session_.reset();
    pool_->drop();
  }

  Moment time{1'000'000};
  bool lied_to = false;
  std::set<int> ran;
  std::vector<std::unique_ptr<Call>> calls;

  Moment now() override { return time; }
  void on_hello() override { require(++hellos_ == 1, "one HELLO"); }
  void on_drain() override { require(++drains_ == 1, "one DRAIN"); }

  void on_call(protocol::IncomingCall&& call) override {
    require(hellos_ == 1, "a call after HELLO");
    require(!call.method.empty(), "a call has a method");
    require(call.payload.bytes().size() <= settings.payload_bytes_max, "a payload within limits");
    require(call.descriptors.size() <= settings.descriptors_max, "descriptors within limits");
    require(call.deadline > time, "a call that has not expired");
    if (!lied_to)
      require(ran.insert(std::atoi(std::string(call.method).c_str())).second, "runs once");
    if (call.loan.number != 0) {
      const auto lent = lent_.find(call.loan.number);
      require(lent != lent_.end(), "memory that was handed over");
      require(call.loan.bytes <= lent->second, "no more than there is");
      require(call.payload.bytes().empty(), "no other payload");
    }
    held_.push_back({call.id, call.payload.bytes().size(), call.one_way, call.loan});
    require(session_->calls_to_answer() <= settings.calls_in_flight_max, "calls within limits");
  }

  /// Every second one, so that both ways to take one-way messages are gone.
  bool on_batch(const protocol::IncomingBatch& batch) override {
    require(!batch.bytes.empty() || !batch.has_lengths, "a batch has a message");
    require(batch.deadline > time, "a batch that has not expired");
    std::span<const std::byte> rest = batch.bytes;
    for (std::uint32_t i = 0; batch.has_lengths && i < batch.messages; ++i) {
      require(wire::take_message(rest).size() <= settings.payload_bytes_max, "within limits");
    }
    require(!batch.has_lengths || rest.empty(), "as many messages as there are");
    const int number = std::atoi(std::string(batch.method).c_str());
    if (number % 2 == 0) return false;
    if (!lied_to) require(ran.insert(number).second, "runs once");
    return true;
  }

  void on_cancel(void*) override {}

  void on_loan(std::uint64_t number, const wire::HandedOver& memory, Descriptor&& file) override {
    [[maybe_unused]] const int none = file.release();
    require(memory.bytes > 0 && memory.bytes <= settings.loan_bytes_max, "memory within limits");
    require(lent_.emplace(number, memory.bytes).second, "a number once");
    require(lent_.size() <= settings.loans_max, "no more memory than agreed");
  }
  void on_loan_over(std::uint64_t number) override {
    require(lent_.erase(number) == 1, "memory that was there");
  }

  void on_end(OutgoingCall& outgoing, Failure* failure) override {
    auto& call = static_cast<Call&>(outgoing);
    require(++call.ends == 1 && !call.is_over, "a call ends once");
    call.is_over = true;
    if (failure == nullptr) {
      const auto bytes = call.answer.payload.bytes();
      session_->end_loan(call.answer.loan);
      require(bytes.size() <= settings.payload_bytes_max, "a reply within limits");
      call.replied = !call.one_way;
      call.reply.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    } else {
      call.not_sent = failure->outcome() == Outcome::not_sent;
    }
  }

  void take(std::span<const std::byte> bytes, std::vector<Descriptor> descriptors) {
    if (over_) return;
    session_->arrived(std::move(descriptors));
    unread_.insert(unread_.end(), bytes.begin(), bytes.end());
    const auto consumed = session_->receive(unread_);
    if (!consumed) {
      require(lied_to || was_sent_away_, "a breach without a liar");
      session_->say_goodbye({.reason = wire::Reason::breach, .code = 0, .text = "liar"});
      return end(consumed.error());
    }
    require(*consumed <= unread_.size(), "no more taken than there is");
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(*consumed));
    const bool waits_for_more = unread_.size() < sizeof(wire::FrameHeader) + limits::body_bytes_max;
    require(waits_for_more || !session_->wants_input(), "less than a frame is left");
  }

  void send(Side& other, std::size_t bytes_max) {
    if (over_ || other.over_ || !other.session_->wants_input()) return;
    const auto chunk = session_->output();
    const auto part = chunk.bytes.first(std::min(bytes_max, chunk.bytes.size()));
    if (part.empty()) return;
    const std::vector<std::byte> bytes(part.begin(), part.end());
    std::vector<Descriptor> copies;
    for (const Descriptor& each : chunk.descriptors) copies.emplace_back(each.get());
    session_->written(bytes.size());
    other.take(bytes, std::move(copies));
  }

  void start(std::uint8_t shape, std::size_t bytes, int number) {
    if (calls.size() >= calls_max) return;
    auto call = std::make_unique<Call>();
    call->number = number;
    call->name = std::to_string(number);
    call->text.assign(bytes * (shape % 8 == 7 ? 4 : 1), 'p');
    call->method = call->name;
    call->payload = std::as_bytes(std::span(call->text));
    call->one_way = (shape & 8) != 0;
    if ((shape & 16) != 0) call->deadline = time + std::chrono::nanoseconds(shape);
    if ((shape & 0xEF) == 0x0E) make_batch(*call, bytes % 60'000);
    if (shape % 8 == 6 && !call->is_batch) {
      lend(call->lending, shape >> 3, bytes);
      call->text.clear();
      call->payload = {};
    }
    for (int i = 0; i < (shape >> 5) % 5; ++i) call->descriptors.emplace_back(descriptor_base + i);
    const bool started = session_->start(*call).has_value();
    session_->outbox().keep_lent();
    if (started) calls.push_back(std::move(call));
  }

  /// Of one message, for each call runs once.
  static void make_batch(Call& call, std::size_t bytes) {
    const auto length = static_cast<std::uint32_t>(bytes);
    call.text.assign(protocol::batch_front_bytes + sizeof length + bytes, 'p');
    call.batch_begin = reinterpret_cast<std::byte*>(call.text.data()) + protocol::batch_front_bytes;
    std::memcpy(call.batch_begin, &length, sizeof length);
    call.payload = {call.batch_begin, sizeof length + bytes};
    call.message_bytes_max = bytes;
    call.is_batch = true;
  }

  void lend(protocol::Lending& lending, std::size_t shape, std::size_t bytes) {
    // Each memory is of one kind, and if it is shared of one size: the peer knows it by itself.
    const std::size_t which = shape % memories_max;
    lending.memory = &memories_[which];
    lending.kind = which % 2 == 0 ? Handover::immutable : Handover::shared_view;
    lending.once = shape % 4 == 3;
    lending.bytes = lending.capacity = bytes + 1;
    if (lending.kind == Handover::shared_view) lending.bytes = lending.capacity = 5000;
    if (!session_->has_lent(lending.memory)) lending.file.reset(descriptor_base);
  }

  void take_back(std::size_t which) { session_->take_back(&memories_[which % memories_max]); }

  void give_up(std::size_t which, bool for_good) {
    if (calls.empty()) return;
    Call& call = *calls[which % calls.size()];
    if (call.is_over) return;
    if (session_->give_up(call)) {
      call.is_over = call.not_sent = true;
    } else if (for_good) {
      session_->abandon(call);
      call.is_over = true;
    }
  }

  void answer(std::size_t which, std::uint8_t shape) {
    if (held_.empty()) return;
    const Held held = held_[which % held_.size()];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which % held_.size()));
    if (shape % 4 == 3) {
      session_->fail(held.id, {.reason = wire::Reason::declared, .code = 1, .text = "no"});
    } else if (shape % 8 == 6 && !held.one_way && session_->lends()) {
      protocol::Lending lending;
      lend(lending, shape >> 3, held.bytes);
      if (session_->reply_with_loan(held.id, std::move(lending), {}) ==
          protocol::Delivery::queued) {
        lent_replies_ = true;
      }
    } else if (shape % 4 != 2 || !held.one_way) {
      const std::string text = reply_to(held.bytes);
      session_->reply(held.id, std::as_bytes(std::span(text)), {});
      session_->reply(held.id, {}, {});
    }
    session_->release(held.bytes, held.one_way);
    session_->end_loan(held.loan);
  }

  void drain() { session_->drain(); }
  void ask_to_lend() {
    if (session_->may_lend()) session_->ask_to_lend();
  }

  void say_goodbye(Side& other) {
    other.was_sent_away_ = true;
    session_->say_goodbye({.reason = wire::Reason::exhausted, .code = 0, .text = "go"});
  }

  void end(const Failure& why) {
    over_ = true;
    session_->end(why);
    for (const auto& call : calls) require(call->is_over, "nothing outlives the end");
    for (const Memory& memory : memories_) memory.check_unused();
  }
  [[nodiscard]] bool has_lent_replies() const { return lent_replies_; }

 private:
  struct Held {
    std::uint64_t id;
    std::size_t bytes;
    bool one_way;
    protocol::LoanedPayload loan;
  };

  PayloadPool* const pool_;
  std::unique_ptr<protocol::Session> session_;
  std::vector<std::byte> unread_;
  std::vector<Held> held_;
  Memory memories_[memories_max];
  std::map<std::uint64_t, std::uint64_t> lent_;
  bool lent_replies_ = false;
  int hellos_ = 0;
  int drains_ = 0;
  bool over_ = false;
  bool was_sent_away_ = false;
};

void check(const Side& caller, const Side& runner) {
  if (caller.lied_to || runner.lied_to) return;
  for (const auto& call : caller.calls) {
    const bool ran = runner.ran.contains(call->number);
    require(!(call->not_sent && ran), "what is not sent did not run");
    require(!call->replied || ran, "what was answered did run");
    const bool right = call->reply == reply_to(call->text.size()) || runner.has_lent_replies();
    require(!call->replied || right, "the right reply");
  }
}

/// One frame with any header fields, small enough for a fuzzer to find the right ones.
std::vector<std::byte> lie(Input& input) {
  wire::FrameHeader header;
  header.kind = static_cast<wire::Kind>(input.byte());
  header.flags = input.byte();
  header.descriptors = input.byte();
  header.id =
      wire::CallId{.slot = static_cast<std::uint16_t>(static_cast<std::int8_t>(input.byte())),
                   .sequence = input.byte()}
          .value();
  if (input.byte() == 255) header.id = 0;
  const auto body = input.bytes(input.byte());
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  std::vector<std::byte> bytes(sizeof header + body.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  std::ranges::copy(body, bytes.begin() + sizeof header);
  return bytes;
}

void run_one(Input& input, Side& side, Side& other, int& number) {
  switch (input.byte() % 16) {
    case 0:
    case 1:
      return side.send(other, 1 + input.word());
    case 2:
      return side.send(other, SIZE_MAX);
    case 3:
    case 4: {
      const std::uint8_t shape = input.byte();
      return side.start(shape, input.word(), number++);
    }
    case 5: {
      const std::uint8_t which = input.byte();
      return side.answer(which, input.byte());
    }
    case 6:
      return side.give_up(input.byte(), false);
    case 7:
      return side.give_up(input.byte(), true);
    case 8:
      return side.drain();
    case 9:
      side.time = side.time + std::chrono::nanoseconds(input.byte());
      return;
    case 10:
      return side.say_goodbye(other);
    case 11: {
      side.lied_to = other.lied_to = true;
      return side.take(input.bytes(input.byte()), {});
    }
    case 12: {
      side.lied_to = other.lied_to = true;
      std::vector<Descriptor> descriptors;
      const int count = input.byte() % 5;
      for (int i = 0; i < count; ++i) descriptors.emplace_back(descriptor_base);
      return side.take(lie(input), std::move(descriptors));
    }
    case 13:
      return side.end(Failure(Cause::closed));
    case 14:
      return side.take_back(input.byte());
    case 15:
      return side.ask_to_lend();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  Input input(std::span(bytes, count));
  Side sides[2] = {Side(0), Side(input.byte() % 2 == 0 ? 0 : 3'600'000'000'000)};
  // Or each is only ever lied to, from its first byte on.
  if (input.byte() % 4 != 0) {
    sides[0].send(sides[1], SIZE_MAX);
    sides[1].send(sides[0], SIZE_MAX);
  }
  int number = 0;
  while (!input.is_empty()) {
    const int which = input.byte() % 2;
    run_one(input, sides[which], sides[1 - which], number);
  }
  for (Side& side : sides) side.end(Failure(Cause::closed));
  check(sides[0], sides[1]);
  check(sides[1], sides[0]);
  return 0;
}
