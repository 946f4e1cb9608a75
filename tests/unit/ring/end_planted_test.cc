#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "unit/ring/explored_checks.h"
#include "unit/ring/planted_ends.h"

/// What end_explored_test.cc proves would be worth nothing if the explorer found nothing. Here it
/// has to find each of these bugs, and for each order in the ring what happens when it is weaker:
/// so none of them is stronger than need be.
namespace tincan::ring::test {
namespace {

constexpr const char* sleeps_over_bytes = "it sleeps for ever over published bytes";
constexpr const char* left_sleeps = "left sleeps for ever";
constexpr const char* is_lost = "left believes to be sent what right has not received";
constexpr const char* read_too_early = "race: read while it is written";
constexpr const char* written_too_early = "race: written over while it is read";

/// `failure`, on a way that has `step` in it: the one by which a reader sees what went wrong.
void expect_found(const Scenario& scenario, const std::string& failure, const std::string& step) {
  const Exploration explored = explore(scenario);
  ASSERT_TRUE(explored.failure) << explored.executions << " executions, and none fails";
  EXPECT_EQ(*explored.failure, failure) << print(explored);
  EXPECT_TRUE(std::ranges::count(explored.trace, step) > 0)
      << step << ": no step of " << print(explored);
}

Scenario transfer(std::string_view bytes) {
  return {.code = {talk({.sends = bytes}), talk({.expects = bytes})}, .check = everything_arrives};
}
Scenario revocation() {
  return {.code = {send_until_revoked("a"), revoke_at_once("a")}, .check = nothing_is_lost};
}
Scenario sleeper_and_revocation() {
  return {.code = {sleep_until_revoked(), revoke_at_once("")}, .check = nobody_sleeps};
}

constexpr auto seq_cst = std::memory_order_seq_cst;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto relaxed = std::memory_order_relaxed;

struct Weaker {
  const char* name;
  Weakening weakening;
  Scenario (*scenario)();
  const char* failure;
  const char* step;
};

void PrintTo(const Weaker& weaker, std::ostream* out) { *out << weaker.name; }

class RingWeaker : public ::testing::TestWithParam<Weaker> {};

TEST_P(RingWeaker, IsFound) {
  Scenario scenario = GetParam().scenario();
  EXPECT_FALSE(explore(scenario).failure) << "as it is";
  scenario.weakening = GetParam().weakening;
  expect_found(scenario, GetParam().failure, GetParam().step);
}

constexpr auto load = Operation::Kind::load;
constexpr auto store = Operation::Kind::store;
const auto bytes_once = [] { return transfer("a"); };
const auto one_lap = [] {
  Scenario scenario = transfer("abc");
  scenario.code[0] = talk({.sends = "abc", .message_bytes = 2});
  return scenario;
};

INSTANTIATE_TEST_SUITE_P(
    Than, RingWeaker,
    ::testing::Values(Weaker{"loading_produced",
                             {load, Word::produced, acquire, relaxed},
                             bytes_once,
                             read_too_early,
                             "right  loads left.produced: 1 (relaxed)"},
                      Weaker{"storing_produced",
                             {store, Word::produced, seq_cst, relaxed},
                             bytes_once,
                             read_too_early,
                             "left   stores left.produced: 1 (relaxed)"},
                      Weaker{"loading_consumed",
                             {load, Word::consumed, acquire, relaxed},
                             one_lap,
                             written_too_early,
                             "left   loads right.consumed: 2 (relaxed)"},
                      Weaker{"storing_consumed",
                             {store, Word::consumed, seq_cst, relaxed},
                             one_lap,
                             written_too_early,
                             "right  stores right.consumed: 2 (relaxed)"},
                      Weaker{"publishing",
                             {store, Word::produced, seq_cst, release},
                             bytes_once,
                             sleeps_over_bytes,
                             "right  loads left.produced: 0 (seq_cst, stale by 1)"},
                      Weaker{"looking_who_sleeps",
                             {load, Word::sleep, seq_cst, acquire},
                             bytes_once,
                             sleeps_over_bytes,
                             "left   loads right.sleep: 0 (acquire, stale by 1)"},
                      Weaker{"falling_asleep",
                             {store, Word::sleep, seq_cst, release},
                             bytes_once,
                             sleeps_over_bytes,
                             "left   loads right.sleep: 0 (seq_cst, stale by 1)"},
                      Weaker{"looking_for_bytes",
                             {load, Word::produced, seq_cst, acquire},
                             bytes_once,
                             sleeps_over_bytes,
                             "right  loads left.produced: 0 (acquire, stale by 1)"},
                      Weaker{"releasing",
                             {store, Word::consumed, seq_cst, release},
                             one_lap,
                             left_sleeps,
                             "left   loads right.consumed: 0 (seq_cst, stale by 1)"},
                      Weaker{"looking_for_room",
                             {load, Word::consumed, seq_cst, acquire},
                             one_lap,
                             left_sleeps,
                             "left   loads right.consumed: 0 (acquire, stale by 1)"},
                      Weaker{"publishing_into_a_revoked_ring",
                             {store, Word::produced, seq_cst, release},
                             revocation,
                             is_lost,
                             "right  loads left.produced: 0 (seq_cst, stale by 1)"},
                      Weaker{"looking_for_a_revocation",
                             {load, Word::sleep, seq_cst, acquire},
                             revocation,
                             is_lost,
                             "left   loads right.sleep: 0 (acquire, stale by 3)"},
                      Weaker{"revoking",
                             {store, Word::sleep, seq_cst, release},
                             revocation,
                             is_lost,
                             "left   loads right.sleep: 0 (seq_cst, stale by 3)"},
                      Weaker{"looking_what_was_published_when_revoking",
                             {load, Word::produced, seq_cst, acquire},
                             revocation,
                             is_lost,
                             "right  loads left.produced: 0 (acquire, stale by 1)"},
                      Weaker{"revoking_beside_a_sleeper",
                             {store, Word::sleep, seq_cst, release},
                             sleeper_and_revocation,
                             left_sleeps,
                             "left   loads right.sleep: 0 (seq_cst, stale by 3)"},
                      Weaker{"looking_who_is_to_hear_of_it",
                             {load, Word::sleep, seq_cst, acquire},
                             sleeper_and_revocation,
                             left_sleeps,
                             "left   loads right.sleep: 0 (acquire, stale by 3)"}),
    [](const auto& each) { return each.param.name; });

TEST(RingPlanted, LooksBeforeItPublishes) {
  Scenario scenario = transfer("a");
  scenario.code[0] = talk<LooksBeforeItPublishes>({.sends = "a"});
  expect_found(scenario, sleeps_over_bytes, "left   loads right.sleep: 0 (seq_cst)");
}

TEST(RingPlanted, SleepsWithoutASecondLook) {
  Scenario scenario = transfer("a");
  scenario.code[1] = talk<SleepsWithoutASecondLook>({.expects = "a"});
  expect_found(scenario, sleeps_over_bytes, "right  stores right.sleep: 9 (seq_cst)");
}

TEST(RingPlanted, SleepsAfterItsLook) {
  Scenario scenario = transfer("a");
  scenario.code[1] = talk<SleepsAfterItsLook>({.expects = "a"});
  expect_found(scenario, sleeps_over_bytes, "right  stores right.sleep: 9 (seq_cst)");
}

TEST(RingPlanted, ReleasesBeforeItReads) {
  Scenario scenario = transfer("abc");
  scenario.code[1] = talk<ReleasesBeforeItReads>({.expects = "abc"});
  expect_found(scenario, written_too_early, "left   writes \"c\" at 0");
}

TEST(RingPlanted, PublishesBeforeItWrites) {
  Scenario scenario = transfer("a");
  scenario.code[0] = talk<PublishesBeforeItWrites>({.sends = "a"});
  expect_found(scenario, read_too_early, "right  loads left.produced: 1 (acquire, stale by 1)");
}

TEST(RingPlanted, ForgetsTheDoorbell) {
  Scenario scenario = transfer("a");
  scenario.code[0] = talk<ForgetsTheDoorbell>({.sends = "a"});
  expect_found(scenario, sleeps_over_bytes, "left   loads right.sleep: 9 (seq_cst)");
}

TEST(RingPlanted, RingsOnlyOnce) {
  Scenario scenario = transfer("ab");
  scenario.code[0] = talk<RingsOnlyOnce>({.sends = "ab"});
  expect_found(scenario, sleeps_over_bytes, "left   loads right.sleep: 17 (seq_cst)");
}

TEST(RingPlanted, LooksBeforeItRevokes) {
  Scenario scenario = revocation();
  scenario.code[1] = revoke_at_once<LooksBeforeItRevokes>("a");
  expect_found(scenario, is_lost, "left   stores left.produced: 1 (seq_cst)");
}

TEST(RingPlanted, ForgetsWhatWasPublishedWhenItHearsOfADeath) {
  Scenario scenario = transfer("a");
  scenario.code[1] = talk({.expects = "a", .reads_after_a_death = false});
  scenario.check = the_living_know;
  scenario.deaths = 1;
  expect_found(scenario, "it has not received what was published before the death", "left   dies");
}

TEST(RingPlanted, WaitsAgainForADeadSide) {
  Scenario scenario = transfer("a");
  scenario.code[1] = talk({.expects = "a", .stops_at_a_death = false});
  scenario.check = the_living_know;
  scenario.deaths = 1;
  expect_found(scenario, "it runs in circles", "left   dies");
}

}  // namespace
}  // namespace tincan::ring::test
