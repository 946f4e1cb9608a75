// Memory that is handed over in place of payloads: who may name it when, and when it is over.

#include <gtest/gtest.h>

#include "unit/protocol/loans.h"

namespace tincan::protocol {
namespace {

using test::Call;
using test::descriptors;
using test::handover;
using test::lends_only;
using test::LoanCall;
using test::Memory;
using test::Pair;
using test::takes;
using wire::Kind;
using wire::test::frame;

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

}  // namespace
}  // namespace tincan::protocol
