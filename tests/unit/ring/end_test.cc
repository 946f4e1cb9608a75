#include "ring/end.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tincan::ring {
namespace {

constexpr std::size_t small_capacity_bytes = 16;

/// A pair of rings in ordinary memory, and both of its ends.
struct RingPair {
  Words left_words, right_words;
  std::vector<std::byte> to_right = std::vector<std::byte>(small_capacity_bytes);
  std::vector<std::byte> to_left = std::vector<std::byte>(small_capacity_bytes);
  End left{left_words, right_words, to_right, to_left};
  End right{right_words, left_words, to_left, to_right};
};

std::size_t put(End& end, std::string_view text) {
  return end.write(std::as_bytes(std::span(text)));
}

std::string take(End& end, std::size_t bytes_max = 100) {
  std::string text(bytes_max, '\0');
  text.resize(end.read(std::as_writable_bytes(std::span(text))));
  return text;
}

TEST(RingEnd, ShowsNothingBeforeItIsPublished) {
  RingPair rings;
  EXPECT_EQ(put(rings.left, "hello"), 5u);
  EXPECT_EQ(take(rings.right), "");
  EXPECT_FALSE(rings.right.is_readable());
  EXPECT_FALSE(rings.left.publish());
  EXPECT_TRUE(rings.right.is_readable());
  EXPECT_EQ(take(rings.right), "hello");
}

TEST(RingEnd, CarriesBothDirectionsApart) {
  RingPair rings;
  put(rings.left, "there");
  put(rings.right, "back");
  (void)rings.left.publish();
  (void)rings.right.publish();
  EXPECT_EQ(take(rings.right), "there");
  EXPECT_EQ(take(rings.left), "back");
}

TEST(RingEnd, TakesWhatFitsAndNoMore) {
  RingPair rings;
  EXPECT_EQ(put(rings.left, "0123456789abcdefXYZ"), small_capacity_bytes);
  EXPECT_EQ(put(rings.left, "Z"), 0u);
  (void)rings.left.publish();
  EXPECT_EQ(take(rings.right, 4), "0123");
  EXPECT_EQ(put(rings.left, "Z"), 0u) << "room that was not released";
  (void)rings.right.release();
  EXPECT_EQ(put(rings.left, "WXYZ!"), 4u);
  (void)rings.left.publish();
  EXPECT_EQ(take(rings.right), "456789abcdef");
  EXPECT_EQ(take(rings.right), "WXYZ");
}

TEST(RingEnd, SaysWhereTheNextBytesGoUpToTheEndOfTheMemoryAndOfTheRoom) {
  RingPair rings;
  put(rings.left, "0123456789");
  const auto room = rings.left.next_room(3);
  EXPECT_EQ(room.data(), rings.to_right.data() + 10);
  EXPECT_EQ(room.size(), 3u);
  EXPECT_EQ(rings.left.next_room(100).size(), 6u);
  put(rings.left, "abcdef");
  EXPECT_TRUE(rings.left.next_room(1).empty());
}

TEST(RingEnd, SaysWhereWhatWasPublishedLiesUpToTheEndOfTheMemory) {
  RingPair rings;
  put(rings.left, "0123456789");
  (void)rings.left.publish();
  EXPECT_EQ(take(rings.right), "0123456789");
  (void)rings.right.release();
  const auto watch = rings.right.watch();
  EXPECT_TRUE(watch.come(100).empty());
  (void)rings.left.has_room();
  put(rings.left, "abcdefghij");
  (void)rings.left.publish();
  EXPECT_EQ(watch.come(3).data(), rings.to_right.data() + 10);
  EXPECT_EQ(watch.come(3).size(), 3u);
  EXPECT_EQ(watch.come(100).size(), 6u);
  EXPECT_TRUE(rings.right.next_unread(100).empty()) << "before anybody looked";
  EXPECT_TRUE(rings.right.is_readable());
  EXPECT_EQ(rings.right.next_unread(3).data(), rings.to_right.data() + 10);
  EXPECT_EQ(rings.right.next_unread(3).size(), 3u);
  EXPECT_EQ(rings.right.next_unread(100).size(), 6u);
}

TEST(RingEnd, FetchesNothingOutsideOfTheRingForALiar) {
  RingPair rings;
  const auto watch = rings.right.watch();
  rings.left_words.produced.store(UINT64_MAX);
  EXPECT_EQ(watch.come(100).size(), small_capacity_bytes);
}

/// What it must not do then is for UndefinedBehaviorSanitizer to see.
TEST(RingEnd, WritesAndReadsNothing) {
  RingPair rings;
  EXPECT_EQ(rings.left.write({}), 0u);
  put(rings.left, "a");
  (void)rings.left.publish();
  EXPECT_EQ(rings.right.read({}), 0u);
  EXPECT_EQ(take(rings.right), "a");
}

TEST(RingEnd, GoesRoundItsMemoryManyTimes) {
  RingPair rings;
  std::string sent, received;
  for (int i = 0; i < 1000; ++i) {
    const std::string part(static_cast<std::size_t>(i % 13), static_cast<char>('a' + i % 26));
    ASSERT_EQ(put(rings.left, part), part.size());
    (void)rings.left.publish();
    received += take(rings.right);
    (void)rings.right.release();
    sent += part;
  }
  EXPECT_EQ(received, sent);
}

TEST(RingEnd, RingsOnceForEachTimeThePeerFallsAsleep) {
  RingPair rings;
  ASSERT_TRUE(rings.right.fall_asleep(sleeps_for_bytes));
  put(rings.left, "a");
  EXPECT_TRUE(rings.left.publish());
  put(rings.left, "b");
  EXPECT_FALSE(rings.left.publish()) << "it was rung already";
  rings.right.wake_up();
  EXPECT_EQ(take(rings.right), "ab");
  put(rings.left, "c");
  EXPECT_FALSE(rings.left.publish()) << "it is awake";
  EXPECT_EQ(take(rings.right), "c");
  ASSERT_TRUE(rings.right.fall_asleep(sleeps_for_bytes));
  put(rings.left, "d");
  EXPECT_TRUE(rings.left.publish());
}

TEST(RingEnd, DoesNotFallAsleepOverPublishedBytes) {
  RingPair rings;
  put(rings.left, "a");
  (void)rings.left.publish();
  EXPECT_FALSE(rings.right.fall_asleep(sleeps_for_bytes));
  put(rings.left, "b");
  EXPECT_FALSE(rings.left.publish()) << "it stayed awake";
}

TEST(RingEnd, WakesAProducerThatSleepsForRoom) {
  RingPair rings;
  put(rings.left, "0123456789abcdef");
  (void)rings.left.publish();
  ASSERT_TRUE(rings.left.fall_asleep(sleeps_for_room));
  EXPECT_EQ(take(rings.right, 1), "0");
  EXPECT_TRUE(rings.right.release());
  EXPECT_FALSE(rings.right.release()) << "nothing more was taken";
  rings.left.wake_up();
  EXPECT_EQ(put(rings.left, "gh"), 1u);
}

TEST(RingEnd, DoesNotSleepForRoomThatThereIs) {
  RingPair rings;
  put(rings.left, "0123456789abcdef");
  (void)rings.left.publish();
  take(rings.right, 1);
  (void)rings.right.release();
  EXPECT_FALSE(rings.left.fall_asleep(sleeps_for_room));
}

TEST(RingEnd, DoesNotWakeForBytesWhoSleepsForRoom) {
  RingPair rings;
  put(rings.left, "0123456789abcdef");
  (void)rings.left.publish();
  ASSERT_TRUE(rings.left.fall_asleep(sleeps_for_room));
  put(rings.right, "x");
  EXPECT_FALSE(rings.right.publish());
}

TEST(RingEnd, CountsDescriptorSetsNoLaterThanTheirBytes) {
  RingPair rings;
  put(rings.left, "plain");
  rings.left.announce_descriptors();
  put(rings.left, "with");
  EXPECT_EQ(rings.right.peer_descriptor_sets(), 0u);
  (void)rings.left.publish();
  EXPECT_EQ(rings.right.peer_descriptor_sets(), 1u);
}

TEST(RingEnd, StillGivesWhatWasPublishedBeforeItRevoked) {
  RingPair rings;
  put(rings.left, "before");
  (void)rings.left.publish();
  EXPECT_FALSE(rings.left.is_revoked_by_peer());
  (void)rings.right.revoke();
  put(rings.left, "behind");
  (void)rings.left.publish();
  EXPECT_TRUE(rings.left.is_revoked_by_peer());
  EXPECT_EQ(take(rings.right), "before");
  EXPECT_EQ(take(rings.right), "");
  EXPECT_EQ(rings.right.consumed(), rings.right.last_readable());
}

TEST(RingEnd, TakesNothingThatWasPublishedAfterItRevoked) {
  RingPair rings;
  put(rings.left, "before");
  (void)rings.left.publish();
  (void)rings.right.revoke();
  put(rings.left, "after");
  (void)rings.left.publish();
  EXPECT_EQ(take(rings.right), "before");
  EXPECT_EQ(take(rings.right), "");
  EXPECT_TRUE(rings.right.fall_asleep(sleeps_for_bytes)) << "over what it will never read";
  EXPECT_EQ(take(rings.right), "");
  EXPECT_EQ(rings.right.consumed(), 6u);
  EXPECT_FALSE(rings.right.is_breached());
}

TEST(RingEnd, WakesASleeperWhenItRevokes) {
  RingPair rings;
  ASSERT_TRUE(rings.left.fall_asleep(sleeps_for_bytes));
  EXPECT_TRUE(rings.right.revoke());
  rings.left.wake_up();
  EXPECT_FALSE(rings.left.fall_asleep(sleeps_for_bytes)) << "once, to say so";
  EXPECT_TRUE(rings.left.is_revoked_by_peer());
  EXPECT_TRUE(rings.left.fall_asleep(sleeps_for_bytes));
}

TEST(RingEnd, GivesBackWhatTheRevokerDidNotTake) {
  RingPair rings;
  put(rings.left, "0123456789abc");
  (void)rings.left.publish();
  take(rings.right);
  (void)rings.right.release();
  (void)rings.right.revoke();
  put(rings.left, "ABCDEFGH");
  (void)rings.left.publish();
  ASSERT_TRUE(rings.left.ends_at(rings.right.last_readable()));
  std::string rest;
  for (std::uint64_t at = 13; at < rings.left.written();) {
    const auto part = rings.left.published_from(at);
    rest.append(reinterpret_cast<const char*>(part.data()), part.size());
    at += part.size();
  }
  EXPECT_EQ(rest, "ABCDEFGH");
}

TEST(RingEnd, DoesNotBelieveARevokerThatTookWhatItGaveBackOrWhatWasNeverThere) {
  for (const std::uint64_t position : {std::uint64_t{2}, std::uint64_t{6}, UINT64_MAX}) {
    RingPair rings;
    put(rings.left, "01234");
    (void)rings.left.publish();
    take(rings.right, 3);
    (void)rings.right.release();
    put(rings.left, "0123456789abcdef");
    EXPECT_FALSE(rings.left.ends_at(position)) << position;
    EXPECT_TRUE(rings.left.is_breached());
  }
}

TEST(RingEnd, IsNotRungAfterItRevokedAwake) {
  RingPair rings;
  ASSERT_TRUE(rings.right.fall_asleep(sleeps_for_bytes));
  rings.right.wake_up();
  (void)rings.right.revoke();
  put(rings.left, "a");
  EXPECT_FALSE(rings.left.publish());
}

struct Lie {
  const char* name;
  void (*tell)(Words& words);
};

/// After both sides have carried 10 bytes each way.
class RingLies : public ::testing::TestWithParam<Lie> {};

TEST_P(RingLies, AreABreachAndNothingIsReadOrWritten) {
  RingPair rings;
  put(rings.left, "0123456789");
  (void)rings.left.publish();
  take(rings.right);
  (void)rings.right.release();
  put(rings.right, "0123456789");
  (void)rings.right.publish();
  take(rings.left);
  (void)rings.left.release();
  put(rings.left, "abcdef");
  (void)rings.left.publish();
  put(rings.left, "0123456789");

  GetParam().tell(rings.right_words);
  take(rings.left);
  put(rings.left, "too much for what room there is");
  EXPECT_TRUE(rings.left.is_breached());
  EXPECT_EQ(take(rings.left), "");
  EXPECT_EQ(put(rings.left, "x"), 0u);
  EXPECT_FALSE(rings.left.fall_asleep(sleeps_for_bytes | sleeps_for_room));
}

INSTANTIATE_TEST_SUITE_P(
    Of, RingLies,
    ::testing::Values(
        Lie{"produced_backwards", [](Words& words) { words.produced.store(9); }},
        Lie{"produced_too_much",
            [](Words& words) { words.produced.store(10 + small_capacity_bytes + 1); }},
        Lie{"produced_the_most", [](Words& words) { words.produced.store(UINT64_MAX); }},
        Lie{"consumed_backwards", [](Words& words) { words.consumed.store(9); }},
        Lie{"consumed_what_is_not_published", [](Words& words) { words.consumed.store(17); }},
        Lie{"consumed_the_most", [](Words& words) { words.consumed.store(UINT64_MAX); }}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace tincan::ring
