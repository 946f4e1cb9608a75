#include <gtest/gtest.h>

#include <cstdio>

#include "unit/ring/explored_checks.h"
#include "unit/ring/explored_sides.h"

/// All ways in which two sides can run and see each other, on rings of two to four bytes. What
/// would be found if something was weaker is in end_planted_test.cc.
namespace tincan::ring::test {
namespace {

void expect_sound(const Scenario& scenario) {
  const Exploration explored = explore(scenario);
  std::printf("%.3g executions, %zu states\n", explored.executions, explored.states);
  EXPECT_FALSE(explored.failure) << print(explored);
  EXPECT_GT(explored.executions, 1);
}

TEST(RingExplored, CarriesBytesRoundASmallRing) {
  expect_sound(
      {.code = {talk({.sends = "abc"}), talk({.expects = "abc"})}, .check = everything_arrives});
}

TEST(RingExplored, CarriesBytesThatAreReadInPieces) {
  expect_sound({.code = {talk({.sends = "abc", .message_bytes = 2}),
                         talk({.expects = "abc", .read_bytes = 1})},
                .check = everything_arrives});
  expect_sound({.capacity = 4,
                .code = {talk({.sends = "abcde", .message_bytes = 3}),
                         talk({.expects = "abcde", .read_bytes = 3})},
                .check = everything_arrives});
}

TEST(RingExplored, CarriesBytesInBothDirectionsAndBothMaySleep) {
  expect_sound(
      {.code = {talk({.sends = "ab", .expects = "cd"}), talk({.sends = "cd", .expects = "ab"})},
       .check = everything_arrives});
  expect_sound({.code = {talk({.sends = "abc", .expects = "d", .message_bytes = 3}),
                         talk({.sends = "d", .expects = "abc"})},
                .check = everything_arrives});
}

TEST(RingExplored, BearsBeingWokenForNoReason) {
  expect_sound({.code = {talk({.sends = "ab"}), talk({.expects = "ab"})},
                .check = everything_arrives,
                .wakes_for_no_reason = 2});
  expect_sound({.code = {talk({.sends = "abc", .message_bytes = 3}), talk({.expects = "abc"})},
                .check = everything_arrives,
                .wakes_for_no_reason = 1});
}

TEST(RingExplored, GivesWhatWasPublishedWhenTheOtherSideDies) {
  expect_sound({.code = {talk({.sends = "abc", .message_bytes = 2}), talk({.expects = "abc"})},
                .check = the_living_know,
                .deaths = 1});
  expect_sound(
      {.code = {talk({.sends = "a", .expects = "b"}), talk({.sends = "b", .expects = "a"})},
       .check = the_living_know,
       .deaths = 1});
}

TEST(RingExplored, LosesNothingInARevocation) {
  expect_sound(
      {.code = {send_until_revoked("ab"), receive_and_revoke("ab")}, .check = nothing_is_lost});
  expect_sound({.capacity = 1,  // so that it sleeps for room meanwhile
                .code = {send_until_revoked("ab"), revoke_at_once("ab")},
                .check = nothing_is_lost});
}

TEST(RingExplored, WakesASleeperByARevocation) {
  expect_sound({.code = {sleep_until_revoked(), revoke_at_once("")}, .check = nobody_sleeps});
}

TEST(RingExplored, SeesDescriptorSetsNoLaterThanTheirBytes) {
  expect_sound({.code = {announce_descriptors(), receive_descriptors()}});
}

/// The explorer takes two states for one when their keys are the same. If they were not, it would
/// count other executions than without doing so.
TEST(RingExplored, GoesAsManyWaysWhenItForgetsWhereItWas) {
  Scenario scenario{
      .code = {talk({.sends = "a", .expects = "b"}), talk({.sends = "b", .expects = "a"})},
      .wakes_for_no_reason = 1};
  const Exploration quick = explore(scenario);
  scenario.forgets = true;
  const Exploration slow = explore(scenario);
  std::printf("%.0f executions, %zu states of %zu\n", quick.executions, quick.states, slow.states);
  EXPECT_FALSE(quick.failure || slow.failure) << print(quick);
  EXPECT_EQ(quick.executions, slow.executions);
  EXPECT_LT(quick.states, slow.states);
}

}  // namespace
}  // namespace tincan::ring::test
