#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>
#include <sstream>

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
