#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <tuple>

#include "unit/protocol/side.h"
#include "unit/wire/frames.h"

/// Holds the examples of docs/wire-format.md against the code, both ways.
namespace tincan::wire {
namespace {

using protocol::Settings;
using protocol::test::Call;
using protocol::test::Pair;
using protocol::test::Side;
using test::Bytes;
using test::text_of;

/// The bytes of the example called `name`: what stands between "```hex name" and "```", up to "#".
Bytes example(const std::string& name) {
  std::ifstream file(TINCAN_SOURCE_DIR "/docs/wire-format.md");
  Bytes bytes;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (inside && line == "```") return bytes;
    if (inside) {
      std::istringstream words(line.substr(0, line.find('#')));
      for (std::string word; words >> word;) {
        bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
      }
    }
    if (line == "```hex " + name) inside = true;
  }
  ADD_FAILURE() << "no example " << name;
  return {};
}

TEST(WireFormat, HelloIsWhatASessionSaysFirst) {
  Side side({.clock_offset_nanoseconds = 10'000'000'000});
  EXPECT_EQ(side.say(), example("hello"));
  Side other;
  other.take(example("hello"));
  EXPECT_TRUE(other.greeted);
  EXPECT_EQ(other.session.peer_hello().payload_bytes_max, limits::payload_bytes_max);
  EXPECT_EQ(other.session.peer_hello().calls_in_flight_max, 1024u);
  EXPECT_EQ(other.session.peer_hello().clock_offset_nanoseconds, 10'000'000'000);
}

TEST(WireFormat, CallAndItsAnswersAreWhatSessionsSay) {
  Pair pair;
  Call call("greet", "world");
  call.idempotent = true;
  ASSERT_TRUE(pair.client.session.start(call));
  EXPECT_EQ(pair.client.say(), example("call"));
  pair.server.take(example("call"));
  ASSERT_EQ(pair.server.calls.size(), 1u);
  EXPECT_EQ(pair.server.calls[0].method, "greet");
  EXPECT_EQ(pair.server.calls[0].payload, "world");
  EXPECT_TRUE(pair.server.calls[0].idempotent);
  EXPECT_TRUE(pair.server.calls[0].deadline.is_never());
  pair.server.session.reply(pair.server.calls[0].id, test::bytes_of("hello world"), {});
  EXPECT_EQ(pair.server.say(), example("reply"));
  pair.client.take(example("reply"));
  EXPECT_EQ(call.reply(), "hello world");
}

TEST(WireFormat, ErrorIsWhatASessionSays) {
  Pair pair;
  Call call("greet");
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  pair.server.session.fail(pair.server.calls[0].id,
                           {.reason = Reason::declared, .code = 7, .text = "not today."});
  EXPECT_EQ(pair.server.say(), example("error"));
  pair.client.take(example("error"));
  ASSERT_TRUE(call.failed(Outcome::declared, Cause::declared));
  EXPECT_EQ(call.result->error().code(), 7);
  EXPECT_EQ(call.result->error().detail(), "not today.");
}

TEST(WireFormat, CancelAndDrainAreWhatSessionsSay) {
  Pair pair;
  Call call;
  ASSERT_TRUE(pair.client.session.start(call));
  pair.converse();
  EXPECT_FALSE(pair.client.session.give_up(call));
  EXPECT_EQ(pair.client.say(), example("cancel"));
  pair.server.take(example("cancel"));
  EXPECT_EQ(pair.server.cancelled.size(), 1u);
  Call more[2];
  for (Call& each : more) ASSERT_TRUE(pair.client.session.start(each));
  pair.converse();
  pair.server.session.drain();
  EXPECT_EQ(pair.server.say(), example("drain"));
  pair.client.take(example("drain"));
  EXPECT_TRUE(pair.client.drained);
}

TEST(WireFormat, StepsToARingAreWhatSessionsSay) {
  const Settings settings{.abilities = ability_ring};
  Pair pair(settings, settings);
  const auto say = [](Side& side, std::uint64_t id, const Upgrade& step) {
    side.session.upgrade(id, step,
                         protocol::test::descriptors(Upgrade::descriptors_with(step.step)));
    return side.say();
  };
  using Step = Upgrade::Step;
  const std::uint64_t bytes = 256 * 1024;
  const Upgrade ask{.step = Step::ask, .capacity_bytes = bytes, .reason = {}};
  const Upgrade grant{.step = Step::grant, .capacity_bytes = bytes, .reason = {}};
  const Upgrade offer{.step = Step::offer, .capacity_bytes = bytes, .reason = {}};
  const Upgrade refuse{.step = Step::refuse, .reason = "the server takes none"};
  EXPECT_EQ(say(pair.client, 1, ask), example("ask"));
  EXPECT_EQ(say(pair.server, 1, grant), example("grant"));
  EXPECT_EQ(say(pair.client, 1, offer), example("offer"));
  EXPECT_EQ(say(pair.server, 2, refuse), example("refuse"));
}

TEST(WireFormat, StepsToARingAreWhatIsReadOutOfThem) {
  const auto read = [](const std::string& name) {
    const Bytes bytes = example(name);
    const Parsed parsed = parse_frame(bytes);
    EXPECT_EQ(parsed.state, Parsed::State::whole) << name;
    const auto upgrade = decode_upgrade(parsed.frame.body);
    EXPECT_TRUE(upgrade) << name;
    return std::tuple(parsed.frame.header.id, parsed.frame.header.descriptors, upgrade->step,
                      upgrade->capacity_bytes, std::string(upgrade->reason));
  };
  using Step = Upgrade::Step;
  EXPECT_EQ(read("ask"), std::tuple(1u, 0, Step::ask, 262'144u, ""));
  EXPECT_EQ(read("grant"), std::tuple(1u, 0, Step::grant, 262'144u, ""));
  EXPECT_EQ(read("offer"), std::tuple(1u, 3, Step::offer, 262'144u, ""));
  EXPECT_EQ(read("refuse"), std::tuple(2u, 0, Step::refuse, 0u, "the server takes none"));
}

// The table of states is for sides without the ability: here for one alone.
TEST(WireFormat, StepsToARingAreBreachesWithoutTheAbilityOfBoth) {
  const Settings able{.abilities = ability_ring};
  const Settings unable;
  for (const auto& [client, server] : {std::pair(able, unable), std::pair(unable, able)}) {
    Pair pair(client, server);
    pair.server.take(example("ask"));
    ASSERT_TRUE(pair.server.breached());
    EXPECT_EQ(pair.server.failure->detail(), "upgrade without the ability for it");
  }
}

TEST(WireFormat, MemoryThatIsHandedOverIsWhatSessionsSay) {
  struct Memory final : protocol::Lendable {
    void begin_use() override {}
    void end_use() override {}
    void hold() override {}
    void drop() override {}
  } memory;
  Settings settings{.abilities = ability_handover | ability_shared_views,
                    .loans_max = 1,
                    .loan_bytes_max = 1 << 20,
                    .always_takes_loans = true};
  Pair pair(settings, settings);
  Call call("put");
  call.lending.memory = &memory;
  call.lending.bytes = 1000;
  call.lending.capacity = 1 << 20;
  call.lending.kind = Handover::shared_view;
  call.lending.file = Descriptor(::dup(2));
  ASSERT_TRUE(pair.client.session.start(call));
  EXPECT_EQ(pair.client.say(), test::joined({example("handover"), example("call_of_loan")}));
  std::vector<Descriptor> file;
  file.emplace_back(::dup(2));
  pair.server.take(example("handover"), std::move(file));
  pair.server.take(example("call_of_loan"));
  ASSERT_EQ(pair.server.calls.size(), 1u);
  EXPECT_EQ(pair.server.calls[0].loan.bytes, 1000u);
  pair.server.session.end_loan(pair.server.calls[0].loan);
  EXPECT_EQ(pair.server.say(), example("release"));
  pair.client.take(example("release"));
  EXPECT_EQ(pair.client.releases, 1);
}

TEST(WireFormat, FragmentsAreWhatASessionTakes) {
  Pair pair({}, {.descriptors_max = 1});
  pair.server.take(test::call(test::id_of(0, 1), "m"));
  std::vector<Descriptor> descriptors;
  descriptors.emplace_back(::dup(2));
  pair.server.take(example("fragments"), std::move(descriptors));
  ASSERT_EQ(pair.server.calls.size(), 2u)
      << (pair.server.failure ? pair.server.failure->detail() : "");
  EXPECT_EQ(pair.server.calls[1].method, "log");
  EXPECT_EQ(pair.server.calls[1].payload, "hello");
  EXPECT_TRUE(pair.server.calls[1].one_way);
  EXPECT_EQ(pair.server.calls[1].descriptors.size(), 1u);
}

}  // namespace
}  // namespace tincan::wire
