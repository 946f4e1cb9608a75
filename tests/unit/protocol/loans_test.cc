// Memory that is handed over in place of payloads: who may name it when, and when it is over.

#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::Bytes;
using test::bytes_of;
using test::Call;
using test::descriptors;
using test::Pair;
using test::Side;
using wire::Kind;
using wire::test::frame;
using wire::test::id_of;
using wire::test::joined;

constexpr Settings takes{.descriptors_max = 4,
                         .abilities = wire::ability_handover | wire::ability_shared_views,
                         .loans_max = 3,
                         .loan_bytes_max = 1 << 20};
constexpr Settings lends_only{.abilities = wire::ability_handover};

/// Memory that counts what becomes of it.
struct Memory final : Lendable {
  int uses = 0;
  int used = 0;
  int holders = 0;
  void begin_use() override { ++uses, ++used; }
  void end_use() override { --uses; }
  void hold() override { ++holders; }
  void drop() override { --holders; }

  [[nodiscard]] Lending lending(Handover kind, std::uint64_t bytes = 1000,
                                std::uint64_t capacity = 4096) {
    Lending lending;
    lending.memory = this;
    lending.bytes = bytes;
    lending.capacity = capacity;
    lending.kind = kind;
    lending.file = std::move(descriptors(1)[0]);
    return lending;
  }
};

struct LoanCall : Call {
  LoanCall(Memory& memory, Handover kind, std::uint64_t bytes = 1000) : Call("put") {
    lending = memory.lending(kind, bytes);
  }
};

Bytes handover(std::uint64_t number, Handover kind = Handover::shared_view,
               std::uint64_t bytes = 4096) {
  Bytes out(wire::encoded_handover_bytes_max);
  out.resize(wire::encode_handover(number, {.kind = kind, .bytes = bytes}, out.data()));
  return out;
}

wire::Prologue naming(std::uint64_t number, std::uint64_t bytes) {
  wire::Prologue prologue;
  prologue.method = "put";
  prologue.loan = wire::LentPayload{number, bytes};
  return prologue;
}

Bytes call_naming(std::uint64_t sequence, std::uint64_t number, std::uint64_t bytes = 10,
                  std::string_view payload = {}, std::uint8_t flags = 0) {
  const auto slot = static_cast<std::uint16_t>(sequence - 1);
  return frame(Kind::call, id_of(slot, sequence),
               wire::test::first_body(naming(number, bytes), payload), flags);
}

/// A server that takes memory, and has said so to a client that says what the test wants.
struct Holder : Pair {
  explicit Holder(const Settings& settings = takes) : Pair(lends_only, settings) {
    server.holds = true;
    server.take(frame(Kind::handover, 0));
  }
  void lend(std::uint64_t number, Handover kind = Handover::shared_view) {
    server.take(handover(number, kind), descriptors(1));
  }
};

TEST(Loans, AreHandedOverOnceAskedForAndNamedByCalls) {
  Pair pair(lends_only, takes);
  Memory memory;
  LoanCall call(memory, Handover::immutable, 77);
  ASSERT_TRUE(pair.client.session.start(call));
  EXPECT_EQ(pair.client.say_kinds(), std::vector<std::string>{"handover"});  // it asks
  EXPECT_EQ(memory.holders, 0);
  pair.server.take(frame(Kind::handover, 0));
  pair.converse();
  ASSERT_EQ(pair.server.calls.size(), 1u);
  EXPECT_EQ(pair.server.calls[0].loan.number, 1u);
  EXPECT_EQ(pair.server.calls[0].loan.bytes, 77u);
  EXPECT_EQ(pair.server.loans, (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(memory.uses, 1);
  pair.server.session.end_loan(pair.server.calls[0].loan);
  EXPECT_TRUE(pair.server.loans.empty());
  pair.converse();
  EXPECT_EQ(memory.uses, 0);
  EXPECT_EQ(memory.holders, 0);  // immutable memory is used once
  EXPECT_EQ(pair.client.releases, 1);
}

TEST(Loans, OfSharedViewsAreNamedAgainWithoutBeingHandedOverAgain) {
  Pair pair(takes, takes);
  Memory memory;
  LoanCall first(memory, Handover::shared_view);
  LoanCall second(memory, Handover::shared_view);
  second.lending.file.reset();
  ASSERT_TRUE(pair.client.session.start(first));
  pair.converse();
  EXPECT_TRUE(pair.client.session.has_lent(&memory));
  ASSERT_TRUE(pair.client.session.start(second));
  pair.converse();
  ASSERT_EQ(pair.server.calls.size(), 2u);
  EXPECT_EQ(pair.server.calls[1].loan.number, 1u);
  EXPECT_EQ(memory.uses, 2);
  for (const auto& call : pair.server.calls) pair.server.session.end_loan(call.loan);
  pair.converse();
  EXPECT_EQ(memory.uses, 0);
  EXPECT_EQ(memory.holders, 1);
  EXPECT_EQ(pair.server.loans.size(), 1u);  // it keeps its mapping
  pair.client.session.take_back(&memory);
  pair.converse();
  EXPECT_EQ(memory.holders, 0);
  EXPECT_TRUE(pair.server.loans.empty());
}

TEST(Loans, TakenBackWhileUsedAreOverWithTheirLastUse) {
  Pair pair(takes, takes);
  Memory memory;
  LoanCall call(memory, Handover::shared_view);
  call.lending.once = true;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_EQ(pair.server.loans.size(), 1u);
  EXPECT_EQ(memory.holders, 1);
  pair.server.session.end_loan(pair.server.calls[0].loan);
  EXPECT_TRUE(pair.server.loans.empty());
  pair.converse();
  EXPECT_EQ(memory.holders, 0);
}

// Which counts on it, and has nothing to hand over again.
TEST(Loans, AreNotTakenBackWhileACallWaitsThatNamesThem) {
  Settings one_at_a_time = takes;
  one_at_a_time.calls_in_flight_max = 1;
  Pair pair(takes, one_at_a_time);
  Memory memory;
  LoanCall first(memory, Handover::shared_view);
  ASSERT_TRUE(pair.client.session.start(first));
  pair.converse();
  LoanCall waiting(memory, Handover::shared_view);
  waiting.lending.file.reset();
  ASSERT_TRUE(pair.client.session.start(waiting));
  pair.client.session.take_back(&memory);
  pair.server.session.reply(pair.server.calls[0].id, {}, {});
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 2u);
  pair.client.session.take_back(&memory);
  EXPECT_FALSE(pair.client.session.has_lent(&memory));
}

TEST(Loans, AnswerCallsOfAPeerThatSaysUnaskedThatItTakesThem) {
  Settings caller = takes;
  caller.always_takes_loans = true;
  Pair pair(caller, lends_only);
  EXPECT_TRUE(pair.server.session.lends());
  Memory memory;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_EQ(pair.server.session.reply_with_loan(
                pair.server.calls[0].id, memory.lending(Handover::shared_view, 5), descriptors(1)),
            Delivery::queued);
  pair.converse();
  ASSERT_TRUE(call.replied());
  EXPECT_EQ((*call.result)->loan.bytes, 5u);
  EXPECT_EQ((*call.result)->descriptors.size(), 1u);
  pair.client.session.end_loan((*call.result)->loan);
  pair.converse();
  EXPECT_EQ(memory.uses, 0);
}

TEST(Loans, AreNoAnswerForACallerThatTakesNone) {
  Pair pair({}, lends_only);
  Memory memory;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_EQ(pair.server.session.reply_with_loan(pair.server.calls[0].id,
                                                memory.lending(Handover::immutable), {}),
            Delivery::no_loan);
  pair.converse();
  EXPECT_TRUE(call.failed(Outcome::declared, Cause::too_large));
  EXPECT_EQ(memory.holders, 0);
}

TEST(Loans, AreRefusedBeforeTheyAreSentWhereTheyAreNotTaken) {
  Memory memory;
  const auto cause = [&](Handover kind, const Settings& server, std::uint64_t capacity = 4096) {
    Pair pair(lends_only, server);
    LoanCall call(memory, kind);
    call.lending.capacity = capacity;
    const auto started = pair.client.session.start(call);
    return started ? Cause::system : started.error().cause();
  };
  Settings no_views = takes;
  no_views.abilities = wire::ability_handover;
  EXPECT_EQ(cause(Handover::immutable, {}), Cause::unsupported);
  EXPECT_EQ(cause(Handover::immutable, lends_only), Cause::unsupported);
  EXPECT_EQ(cause(Handover::shared_view, no_views), Cause::unsupported);
  EXPECT_EQ(cause(Handover::immutable, takes, (1 << 20) + 1), Cause::too_large);
  EXPECT_EQ(cause(Handover::immutable, takes, 1 << 20), Cause::system);
  EXPECT_EQ(memory.holders, 0);
}

TEST(Loans, AreNoMoreThanTheOtherSideTakesAtOnce) {
  Pair pair(lends_only, takes);
  Memory memories[4];
  std::vector<std::unique_ptr<LoanCall>> calls;
  for (Memory& memory : memories) {
    calls.push_back(std::make_unique<LoanCall>(memory, Handover::immutable));
    const auto started = pair.client.session.start(*calls.back());
    EXPECT_EQ(started.has_value(), &memory != &memories[3]);
    pair.converse();
  }
  EXPECT_EQ(pair.server.calls.size(), 3u);
  pair.server.session.end_loan(pair.server.calls[1].loan);
  pair.converse();
  EXPECT_TRUE(pair.client.session.start(*calls[3]));
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 4u);
}

// Calls that were started before the other side said that it takes any wait for a place.
TEST(Loans, StartedBeforeTheAnswerWaitForTheirPlaces) {
  Pair pair(lends_only, takes);
  Memory memories[5];
  std::vector<std::unique_ptr<LoanCall>> calls;
  for (Memory& memory : memories) {
    calls.push_back(std::make_unique<LoanCall>(memory, Handover::immutable));
    ASSERT_TRUE(pair.client.session.start(*calls.back()));
  }
  pair.converse();
  ASSERT_EQ(pair.server.calls.size(), 3u);
  EXPECT_FALSE(pair.server.failure);
  for (int i = 0; i < 2; ++i) pair.server.session.end_loan(pair.server.calls[i].loan);
  pair.converse();
  EXPECT_EQ(pair.server.calls.size(), 5u);
}

TEST(Loans, OfCallsThatAreNotRunAreReleasedAllTheSame) {
  Settings narrow = takes;
  narrow.descriptors_held_max = 0;
  for (const bool expires : {true, false}) {
    Pair pair(lends_only, narrow);
    Memory memory;
    LoanCall call(memory, Handover::immutable);
    if (expires) {
      call.deadline = pair.server.time;
    } else {
      call.descriptors = descriptors(1);
    }
    ASSERT_TRUE(pair.client.session.start(call));
    pair.converse();
    EXPECT_EQ(memory.used, 1);
    EXPECT_EQ(memory.uses, 0);
    EXPECT_TRUE(pair.server.calls.empty());
    EXPECT_TRUE(call.failed(Outcome::not_sent, expires ? Cause::deadline : Cause::exhausted));
  }
}

TEST(Loans, OfCallsBehindADrainAreReleased) {
  Pair pair(lends_only, takes);
  Memory memory;
  LoanCall first(memory, Handover::immutable);
  ASSERT_TRUE(pair.client.session.start(first));
  pair.converse();
  pair.server.session.end_loan(pair.server.calls[0].loan);
  pair.converse();
  pair.server.session.drain();
  LoanCall behind(memory, Handover::immutable);
  ASSERT_TRUE(pair.client.session.start(behind));
  while (pair.client.send(pair.server)) {
  }
  EXPECT_EQ(memory.uses, 1);
  pair.converse();
  EXPECT_EQ(memory.uses, 0);
  EXPECT_TRUE(behind.failed(Outcome::not_sent, Cause::draining));
}

TEST(Loans, OfAnswersThatNobodyWaitsForAreReleased) {
  Settings caller = takes;
  caller.always_takes_loans = true;
  Pair pair(caller, lends_only);
  Memory memory;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_FALSE(pair.client.session.give_up(call));
  pair.client.session.abandon(call);
  pair.server.session.reply_with_loan(pair.server.calls[0].id, memory.lending(Handover::immutable),
                                      {});
  pair.converse();
  EXPECT_EQ(memory.used, 1);
  EXPECT_EQ(memory.uses, 0);
}

TEST(Loans, OfACallGivenUpBeforeItWasBegunAreNotHandedOver) {
  Pair pair(lends_only, takes);
  Memory memory;
  LoanCall call(memory, Handover::immutable);
  ASSERT_TRUE(pair.client.session.start(call));
  EXPECT_TRUE(pair.client.session.give_up(call));
  pair.converse();
  EXPECT_EQ(memory.used, 0);
  EXPECT_TRUE(pair.server.loans.empty());
}

TEST(Loans, HaveNoUseAndNoHolderWhenTheConnectionHasEnded) {
  Pair pair(takes, takes);
  Memory shared, immutable;
  LoanCall calls[] = {{shared, Handover::shared_view}, {immutable, Handover::immutable}};
  for (LoanCall& call : calls) ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_EQ(shared.uses + immutable.uses, 2);
  pair.client.session.end(Failure(Cause::closed));
  EXPECT_EQ(shared.uses + immutable.uses, 0);
  EXPECT_EQ(shared.holders + immutable.holders, 0);
  pair.client.session.take_back(&shared);
  pair.client.session.end_loan({.number = 1, .bytes = 1});
}

/// What a liar says to a side that takes memory, in place of the second HANDOVER or behind it.
struct LoanLie {
  const char* name;
  void (*tell)(Holder&);
};

class LoanLies : public ::testing::TestWithParam<LoanLie> {};

TEST_P(LoanLies, EndTheConnection) {
  Holder holder;
  holder.lend(1);
  holder.server.take(call_naming(1, 1));
  ASSERT_FALSE(holder.server.failure);
  ASSERT_EQ(holder.server.calls.size(), 1u);
  GetParam().tell(holder);
  EXPECT_TRUE(holder.server.breached());
  EXPECT_EQ(holder.server.calls.size(), 1u);
}

void say(Holder& holder, const Bytes& bytes) { holder.server.take(bytes); }

INSTANTIATE_TEST_SUITE_P(
    That, LoanLies,
    ::testing::Values(
        LoanLie{"skip_a_number", [](Holder& holder) { holder.lend(3); }},
        LoanLie{"give_a_number_twice", [](Holder& holder) { holder.lend(1); }},
        LoanLie{"ask_twice", [](Holder& holder) { say(holder, frame(Kind::handover, 0)); }},
        LoanLie{"have_no_descriptor", [](Holder& holder) { say(holder, handover(2)); }},
        LoanLie{"have_two_descriptors",
                [](Holder& holder) {
                  Bytes two = handover(2);
                  two[6] = std::byte{2};
                  holder.server.take(two, descriptors(2));
                }},
        LoanLie{
            "are_of_no_kind",
            [](Holder& holder) { holder.server.take(handover(2, Handover{3}), descriptors(1)); }},
        LoanLie{"have_no_body",
                [](Holder& holder) {
                  holder.server.take(frame(Kind::handover, 2, {}, 0, 1), descriptors(1));
                }},
        LoanLie{"are_empty",
                [](Holder& holder) {
                  holder.server.take(handover(2, Handover::immutable, 0), descriptors(1));
                }},
        LoanLie{"are_too_large",
                [](Holder& holder) {
                  holder.server.take(handover(2, Handover::immutable, (1 << 20) + 1),
                                     descriptors(1));
                }},
        LoanLie{"are_too_many",
                [](Holder& holder) {
                  for (std::uint64_t number = 2; number <= 4; ++number) holder.lend(number);
                }},
        LoanLie{"take_back_what_was_never_given",
                [](Holder& holder) { say(holder, frame(Kind::handover, 2)); }},
        LoanLie{"take_back_twice",
                [](Holder& holder) {
                  say(holder, frame(Kind::handover, 1));
                  EXPECT_FALSE(holder.server.failure);
                  say(holder, frame(Kind::handover, 1));
                }},
        LoanLie{"name_what_was_never_given",
                [](Holder& holder) { say(holder, call_naming(2, 2)); }},
        LoanLie{"name_number_0", [](Holder& holder) { say(holder, call_naming(2, 0)); }},
        LoanLie{"name_what_was_taken_back",
                [](Holder& holder) {
                  say(holder, frame(Kind::handover, 1));
                  say(holder, call_naming(2, 1));
                }},
        LoanLie{"name_more_than_there_is",
                [](Holder& holder) { say(holder, call_naming(2, 1, 4097)); }},
        LoanLie{"name_all_of_64_bits",
                [](Holder& holder) { say(holder, call_naming(2, 1, UINT64_MAX)); }},
        LoanLie{"have_a_payload_too",
                [](Holder& holder) { say(holder, call_naming(2, 1, 10, "x")); }},
        LoanLie{"have_fragments_too",
                [](Holder& holder) { say(holder, call_naming(2, 1, 10, "", wire::flag_more)); }},
        LoanLie{"release_what_we_never_gave",
                [](Holder& holder) { say(holder, frame(Kind::release, 1)); }}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(LoanBreaches, AreAlsoImmutableMemoryNamedTwice) {
  Holder holder;
  holder.lend(1, Handover::immutable);
  holder.server.take(call_naming(1, 1));
  ASSERT_FALSE(holder.server.failure);
  holder.server.take(call_naming(2, 1));
  EXPECT_TRUE(holder.server.breached());
}

TEST(LoanBreaches, AreMemoryThatWasNotAskedFor) {
  Pair pair(lends_only, takes);
  pair.server.take(handover(1), descriptors(1));
  EXPECT_TRUE(pair.server.breached());
}

TEST(LoanBreaches, AreSharedViewsForASideThatTakesNone) {
  Settings wary = takes;
  wary.abilities = wire::ability_handover;
  Holder holder(wary);
  holder.lend(1, Handover::immutable);
  EXPECT_FALSE(holder.server.failure);
  holder.lend(2);
  EXPECT_TRUE(holder.server.breached());
}

TEST(LoanBreaches, AreWishesToASideThatTakesNothing) {
  Pair pair(takes, lends_only);
  pair.server.take(frame(Kind::handover, 0));
  EXPECT_TRUE(pair.server.breached());
}

TEST(LoanBreaches, AreReleasesOneTooMany) {
  for (const bool twice : {true, false}) {
    Pair pair(takes, takes);
    Memory memory;
    LoanCall call(memory, Handover::shared_view);
    ASSERT_TRUE(pair.client.session.start(call));
    pair.converse();
    if (twice) {
      pair.client.take(frame(Kind::release, 1));
      EXPECT_FALSE(pair.client.failure);
      EXPECT_EQ(memory.uses, 0);
      pair.client.take(frame(Kind::release, 1));
    } else {
      pair.client.take(frame(Kind::release, 0));  // it has said so already
    }
    EXPECT_TRUE(pair.client.breached());
    EXPECT_EQ(memory.uses, 0);
    EXPECT_EQ(memory.holders, 0);
  }
}

TEST(LoanBreaches, AreFragmentsOfAnAnswerThatIsHandedOver) {
  Settings caller = takes;
  caller.always_takes_loans = true;
  Pair pair(caller, lends_only);
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  pair.client.take(handover(1), descriptors(1));
  wire::Prologue prologue = naming(1, 10);
  prologue.method = {};
  prologue.payload_bytes = 0;
  pair.client.take(
      frame(Kind::reply, id_of(0, 1), wire::test::first_body(prologue), wire::flag_more));
  EXPECT_TRUE(pair.client.breached());
}

TEST(LoanBreaches, AreFramesWithoutTheAbilityOfBoth) {
  for (const auto& [client, server] :
       {std::pair(takes, Settings()), std::pair(Settings(), takes)}) {
    for (const Kind kind : {Kind::handover, Kind::release}) {
      Pair pair(client, server);
      pair.server.take(frame(kind, 0));
      EXPECT_TRUE(pair.server.breached());
    }
  }
}

}  // namespace
}  // namespace tincan::protocol
