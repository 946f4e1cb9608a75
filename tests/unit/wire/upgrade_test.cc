#include <gtest/gtest.h>

#include <string>

#include "unit/wire/frames.h"
#include "wire/body.h"

namespace tincan::wire {
namespace {

using test::Bytes;

constexpr std::uint64_t some_capacity_bytes = 256 * 1024;

Upgrade upgrade_of(Upgrade::Step step, std::uint64_t capacity = 0, std::string_view reason = {}) {
  return {.step = step, .capacity_bytes = capacity, .reason = reason};
}

/// The frame of `step`, parsed.
struct EncodedUpgrade {
  explicit EncodedUpgrade(const Upgrade& step, std::uint64_t id = 7) {
    bytes.resize(encoded_upgrade_bytes_max);
    bytes.resize(encode_upgrade(id, step, bytes.data()));
    parsed = parse_frame(bytes);
    EXPECT_EQ(parsed.state, Parsed::State::whole);
    EXPECT_EQ(bytes.size(), sizeof(FrameHeader) + parsed.frame.body.size());
  }
  Bytes bytes;
  Parsed parsed;
};

/// A body of fields that our own encoder would not write.
Bytes upgrade_body(std::initializer_list<std::pair<std::uint8_t, std::string>> list) {
  Bytes bytes;
  for (const auto& [tag, value] : list) Writer(bytes).field(tag, value);
  return bytes;
}

std::string eight_bytes(std::uint64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

struct UpgradeSample {
  const char* name;
  Upgrade upgrade;
  std::uint16_t descriptors;
  bool ends_the_stream;
};

class UpgradeStep : public ::testing::TestWithParam<UpgradeSample> {};

TEST_P(UpgradeStep, ComesBackAsWritten) {
  const UpgradeSample& each = GetParam();
  const EncodedUpgrade encoded(each.upgrade);
  const FrameHeader& header = encoded.parsed.frame.header;
  EXPECT_EQ(header.kind, Kind::upgrade);
  EXPECT_EQ(header.flags, 0);
  EXPECT_EQ(header.id, 7u);
  EXPECT_EQ(header.descriptors, each.descriptors);
  EXPECT_EQ(Upgrade::descriptors_with(each.upgrade.step), each.descriptors);
  EXPECT_EQ(Upgrade::ends_the_stream(each.upgrade.step), each.ends_the_stream);
  const auto decoded = decode_upgrade(encoded.parsed.frame.body);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->step, each.upgrade.step);
  EXPECT_EQ(decoded->capacity_bytes, each.upgrade.capacity_bytes);
  EXPECT_EQ(decoded->reason, each.upgrade.reason);
  EXPECT_EQ(decoded->kept, each.upgrade.kept);
}

INSTANTIATE_TEST_SUITE_P(
    Of, UpgradeStep,
    ::testing::Values(
        UpgradeSample{"ask", upgrade_of(Upgrade::Step::ask, some_capacity_bytes), 0, false},
        UpgradeSample{"ask_for_good",
                      {.step = Upgrade::Step::ask,
                       .capacity_bytes = some_capacity_bytes,
                       .reason = {},
                       .kept = true},
                      0,
                      false},
        UpgradeSample{"grant", upgrade_of(Upgrade::Step::grant, UINT64_MAX), 0, false},
        UpgradeSample{"refuse", upgrade_of(Upgrade::Step::refuse, 0, "no"), 0, false},
        UpgradeSample{"offer", upgrade_of(Upgrade::Step::offer, 1), 3, false},
        UpgradeSample{"accept", upgrade_of(Upgrade::Step::accept), 1, true},
        UpgradeSample{"moved", upgrade_of(Upgrade::Step::moved), 1, true}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(Upgrade, NeedsAStepThatItKnows) {
  EXPECT_FALSE(decode_upgrade({}));
  EXPECT_FALSE(decode_upgrade(upgrade_body({{2, eight_bytes(some_capacity_bytes)}})));
  for (unsigned step = 0; step < 256; ++step) {
    const Bytes body = upgrade_body({{1, std::string(1, static_cast<char>(step))}});
    EXPECT_EQ(decode_upgrade(body).has_value(), step >= 1 && step <= 6) << step;
  }
}

TEST(Upgrade, RefusesEveryFieldOfAnotherLength) {
  for (std::size_t length = 0; length <= 16; ++length) {
    const std::string value(length, '\1');
    EXPECT_EQ(decode_upgrade(upgrade_body({{1, value}})).has_value(), length == 1) << length;
    EXPECT_EQ(decode_upgrade(upgrade_body({{1, "\1"}, {2, value}})).has_value(), length == 8)
        << length;
    const auto kept = decode_upgrade(upgrade_body({{1, "\1"}, {4, value}}));
    EXPECT_EQ(kept.has_value(), length == 0) << length;
    EXPECT_EQ(kept && kept->kept, length == 0) << length;
  }
}

TEST(Upgrade, TakesAReasonOfAnyLength) {
  for (const std::size_t length : {0u, 1u, 254u, 255u}) {
    const std::string reason = test::pattern(length);
    const Bytes body = upgrade_body({{1, "\3"}, {3, reason}});
    const auto decoded = decode_upgrade(body);
    ASSERT_TRUE(decoded) << length;
    EXPECT_EQ(decoded->reason, reason);
  }
}

TEST(Upgrade, CutsAReasonThatDoesNotFitAField) {
  const std::string longest = test::pattern(255);
  for (const std::string& more : {std::string("x"), std::string(70'000, 'x')}) {
    const EncodedUpgrade encoded(upgrade_of(Upgrade::Step::refuse, 0, longest + more));
    const auto decoded = decode_upgrade(encoded.parsed.frame.body);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->reason, longest);
  }
}

TEST(Upgrade, IsMalformedWhenCutAnywhereButBetweenFields) {
  const Bytes body =
      upgrade_body({{1, "\3"}, {2, eight_bytes(some_capacity_bytes)}, {3, "because"}});
  for (std::size_t length = 0; length < body.size(); ++length) {
    const bool between = length == 3 || length == 13;
    const auto decoded = decode_upgrade(std::span(body).first(length));
    EXPECT_EQ(decoded.has_value(), between) << length;
  }
  EXPECT_TRUE(decode_upgrade(body));
}

TEST(Upgrade, SkipsFieldsItDoesNotKnow) {
  const Bytes body =
      upgrade_body({{5, "later"}, {1, "\1"}, {255, ""}, {2, eight_bytes(some_capacity_bytes)}});
  const auto decoded = decode_upgrade(body);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->capacity_bytes, some_capacity_bytes);
}

TEST(Upgrade, BelievesTheLastOfTwoFields) {
  const Bytes body = upgrade_body({{1, "\1"}, {2, eight_bytes(1)}, {1, "\3"}, {2, eight_bytes(2)}});
  const auto decoded = decode_upgrade(body);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->step, Upgrade::Step::refuse);
  EXPECT_EQ(decoded->capacity_bytes, 2u);
}

}  // namespace
}  // namespace tincan::wire
