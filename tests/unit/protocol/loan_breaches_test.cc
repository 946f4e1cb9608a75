// What ends a connection when memory is handed over.

#include <gtest/gtest.h>

#include "unit/protocol/loans.h"

namespace tincan::protocol {
namespace {

using test::Bytes;
using test::Call;
using test::call_naming;
using test::descriptors;
using test::handover;
using test::Holder;
using test::lends_only;
using test::LoanCall;
using test::Memory;
using test::naming;
using test::Pair;
using test::takes;
using wire::Kind;
using wire::test::frame;
using wire::test::id_of;

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

// Its one use ends it. So this is no way to say that the use will not come.
TEST(LoanBreaches, AreImmutableMemoryTakenBackInsteadOfUsed) {
  Holder holder;
  holder.lend(1, Handover::immutable);
  ASSERT_FALSE(holder.server.failure);
  say(holder, frame(Kind::handover, 1));
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
