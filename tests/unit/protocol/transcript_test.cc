#include <gtest/gtest.h>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::Bytes;
using test::bytes_of;
using test::Call;
using test::Side;
using wire::Kind;
using wire::test::frame;
using wire::test::id_of;
using wire::test::pattern;

/// One side of a conversation, which does the same whenever it is told the same: it makes its calls
/// when it is greeted, and answers some at once, some with errors, and some only when drained.
struct Actor {
  Side side{{.payload_bytes_max = 1 << 20, .calls_in_flight_max = 100}};
  std::deque<Call> calls;
  std::size_t large_bytes;

  explicit Actor(std::size_t large) : large_bytes(large) {
    side.answer = [this](test::Received& got) { answer(got); };
    side.greeting = [this] { start_calls(); };
  }

  void answer(const test::Received& got) {
    if (got.one_way) return;
    if (side.calls.size() % 7 == 3) {
      side.session.fail(got.id, {.reason = wire::Reason::declared, .code = 9, .text = "no"});
    } else {
      side.session.reply(got.id, bytes_of(got.payload + " answered"), {});
    }
  }

  void start_calls() {
    for (std::uint32_t i = 0; i < 34; ++i) {
      const std::size_t size = i == 20 ? large_bytes : i * 13 % 41;
      Call& call = calls.emplace_back("m" + std::to_string(i), pattern(size, i));
      call.one_way = i % 5 == 4;
      call.idempotent = i % 3 == 0;
      EXPECT_TRUE(side.session.start(call));
    }
    EXPECT_FALSE(side.session.peer_is_draining());
  }
};

struct Transcript {
  Bytes to_client;
  Bytes to_server;
  std::vector<std::string> client_events;
  std::vector<std::string> server_events;
};

/// Calls both ways, with answers, cancels of calls that are over, a ping, and a drain at the end.
Transcript converse(std::size_t large_bytes) {
  Actor client(large_bytes);
  Actor server(large_bytes);
  Transcript transcript;
  const auto tell = [](Side& listener, const Bytes& said, Bytes& all) {
    all.insert(all.end(), said.begin(), said.end());
    listener.take(said);
  };
  for (int i = 0; i < 4; ++i) {
    tell(server.side, client.side.say(), transcript.to_server);
    tell(client.side, server.side.say(), transcript.to_client);
  }
  for (Side* const listener : {&client.side, &server.side}) {
    Bytes& all = listener == &client.side ? transcript.to_client : transcript.to_server;
    tell(*listener, frame(Kind::ping, 5), all);
    tell(*listener, frame(Kind::cancel, id_of(0, 1)), all);
    tell(*listener, frame(Kind::drain, 34), all);
  }
  transcript.client_events = client.side.events;
  transcript.server_events = server.side.events;
  return transcript;
}

/// What a side hears of `bytes` when they come in pieces that end at `cuts`.
std::vector<std::string> replay(std::span<const std::byte> bytes, std::size_t large_bytes,
                                const std::vector<std::size_t>& cuts) {
  Actor actor(large_bytes);
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    actor.side.take(bytes.subspan(from, cut - from));
    [[maybe_unused]] const Bytes said = actor.side.say();
    from = cut;
  }
  return actor.side.events;
}

// HELLO comes alone in the recording; with all that follows in one piece, the calls which a side
// makes on being greeted would not be on the stream before their answers.
std::size_t greeting_bytes() {
  const Bytes hello = wire::test::hello({});
  return hello.size();
}

TEST(Transcript, IsTheSameSplitAtEveryByte) {
  const Transcript transcript = converse(50);
  ASSERT_GE(wire::test::frames_of(std::span(transcript.to_server).subspan(16)).size(), 64u);
  ASSERT_GE(wire::test::frames_of(std::span(transcript.to_client).subspan(16)).size(), 64u);
  const std::size_t greeting = greeting_bytes();
  for (const auto& [bytes, events] : {std::pair(transcript.to_server, transcript.server_events),
                                      std::pair(transcript.to_client, transcript.client_events)}) {
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      std::vector<std::size_t> cuts = {cut, greeting, bytes.size()};
      std::ranges::sort(cuts);
      ASSERT_EQ(replay(bytes, 50, cuts), events) << cut;
    }
  }
}

TEST(Transcript, IsTheSameOneByteAtATime) {
  for (const std::size_t large_bytes : {std::size_t{50}, std::size_t{200'000}}) {
    const Transcript transcript = converse(large_bytes);
    std::vector<std::size_t> cuts(transcript.to_server.size());
    for (std::size_t i = 0; i < cuts.size(); ++i) cuts[i] = i + 1;
    EXPECT_EQ(replay(transcript.to_server, large_bytes, cuts), transcript.server_events);
  }
}

TEST(Transcript, WithFragmentsIsTheSameSplitAroundEveryHeader) {
  constexpr std::size_t large_bytes = 200'000;
  const Transcript transcript = converse(large_bytes);
  const Bytes& bytes = transcript.to_server;
  std::size_t position = wire::preamble.size();
  for (const wire::Frame& each : wire::test::frames_of(std::span(bytes).subspan(position))) {
    if (each.body.size() >= 10'000 || each.header.flags != 0) {
      for (std::size_t cut = position - 1; cut <= position + 17; ++cut) {
        std::vector<std::size_t> cuts = {greeting_bytes(), cut, bytes.size()};
        ASSERT_EQ(replay(bytes, large_bytes, cuts), transcript.server_events) << cut;
      }
    }
    position += sizeof each.header + each.body.size();
  }
}

}  // namespace
}  // namespace tincan::protocol
