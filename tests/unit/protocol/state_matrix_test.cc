#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "unit/protocol/side.h"

namespace tincan::protocol {
namespace {

using test::Bytes;
using test::bytes_of;
using test::Call;
using test::Pair;
using test::Side;
using wire::Kind;
using wire::test::frame;
using wire::test::id_of;
using wire::test::pattern;

const std::uint64_t id = id_of(0, 1);

/// A session brought into one of its states towards the call with `id`, ours or the peer's.
struct Scene {
  Pair pair{{}, {.descriptors_max = 1}};
  Side fresh;
  Call ours{"m", "x"};
  Call large{"m", std::string(8 * limits::fragment_bytes_max, 'x')};
  Side* side = &pair.client;

  void start(Call& call) {
    EXPECT_TRUE(pair.client.session.start(call));
    EXPECT_TRUE(pair.client.send(pair.server));
  }
};

struct State {
  const char* name;
  void (*enter)(Scene&);
};

const State states[] = {
    {"before HELLO",
     [](Scene& scene) {
       scene.side = &scene.fresh;
       scene.fresh.take(bytes_of(wire::preamble));
     }},
    {"no call", [](Scene&) {}},
    {"our call is partly sent", [](Scene& scene) { scene.start(scene.large); }},
    {"our call is sent", [](Scene& scene) { scene.start(scene.ours); }},
    {"our call's reply has begun",
     [](Scene& scene) {
       scene.start(scene.ours);
       scene.side->take(wire::test::first_fragment(Kind::reply, id, "", "", 0));
     }},
    {"our call is given up",
     [](Scene& scene) {
       scene.start(scene.ours);
       EXPECT_FALSE(scene.side->session.give_up(scene.ours));
       scene.side->session.abandon(scene.ours);
     }},
    {"our call is answered",
     [](Scene& scene) {
       scene.start(scene.ours);
       scene.side->take(wire::test::reply(id));
     }},
    {"its call is partly here",
     [](Scene& scene) {
       scene.side->take(wire::test::first_fragment(Kind::call, id, "m", "", 0));
     }},
    {"its call is here", [](Scene& scene) { scene.side->take(wire::test::call(id, "m")); }},
    {"its call is answered",
     [](Scene& scene) {
       scene.side->take(wire::test::call(id, "m"));
       scene.side->session.reply(id, {}, {});
     }},
    {"we drain", [](Scene& scene) { scene.side->session.drain(); }},
    {"it drains", [](Scene& scene) { scene.side->take(frame(Kind::drain, 0)); }},
};

struct Input {
  const char* name;
  Bytes bytes;
};

std::vector<Input> inputs() {
  const Bytes hello = wire::test::hello({});
  const auto after_preamble = hello.begin() + static_cast<std::ptrdiff_t>(wire::preamble.size());
  return {
      {"HELLO", Bytes(after_preamble, hello.end())},
      {"CALL", wire::test::call(id, "m")},
      {"CALL, next", wire::test::call(id_of(1, 2), "m")},
      {"CALL, continued", frame(Kind::call, id, {}, wire::flag_continued)},
      {"REPLY", wire::test::reply(id)},
      {"REPLY, continued", frame(Kind::reply, id, {}, wire::flag_continued)},
      {"ERROR", wire::test::error(id, {.reason = wire::Reason::declared, .code = 0, .text = {}})},
      {"CANCEL", frame(Kind::cancel, id)},
      {"DRAIN", frame(Kind::drain, 0)},
      {"PING", frame(Kind::ping, id)},
      {"PONG", frame(Kind::pong, id)},
      {"PUSH", frame(Kind::push, id)},
      {"SUBSCRIBE", frame(Kind::subscribe, id)},
      {"CREDIT", frame(Kind::credit, id)},
      {"UPGRADE", frame(Kind::upgrade, id)},
      {"REVOKE", frame(Kind::revoke, id)},
      {"HANDOVER", frame(Kind::handover, id)},
      {"RELEASE", frame(Kind::release, id)},
  };
}

std::string verdict(const State& state, const Input& input) {
  Scene scene;
  state.enter(scene);
  EXPECT_FALSE(scene.side->failure) << state.name;
  scene.side->take(input.bytes);
  return scene.side->failure ? "close" : "ok";
}

/// The words between the bars of a line of a table.
std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> list;
  std::istringstream stream(line);
  std::string cell;
  std::getline(stream, cell, '|');
  while (std::getline(stream, cell, '|')) {
    const auto begin = cell.find_first_not_of(' ');
    const auto end = cell.find_last_not_of(' ');
    if (begin != std::string::npos) list.push_back(cell.substr(begin, end - begin + 1));
  }
  return list;
}

/// The rows of the table in docs/wire-format.md whose first cell is `corner`.
std::map<std::string, std::vector<std::string>> table(const std::string& corner) {
  std::ifstream file(TINCAN_SOURCE_DIR "/docs/wire-format.md");
  std::map<std::string, std::vector<std::string>> rows;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    const auto list = cells(line);
    if (!list.empty() && list[0] == corner) inside = true;
    if (inside && list.empty()) break;
    if (inside) rows[list[0]] = {list.begin() + 1, list.end()};
  }
  return rows;
}

// Attack 29: every kind in every state. The document has the table, the session obeys it.
TEST(StateTable, OfTheDocumentIsWhatASessionDoes) {
  const auto rows = table("Received");
  ASSERT_FALSE(rows.empty());
  const auto names = rows.at("Received");
  ASSERT_EQ(names.size(), std::size(states));
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(names[i], states[i].name);
  for (const Input& input : inputs()) {
    ASSERT_TRUE(rows.contains(input.name)) << input.name;
    const auto& row = rows.at(input.name);
    ASSERT_EQ(row.size(), std::size(states)) << input.name;
    for (std::size_t i = 0; i < row.size(); ++i) {
      EXPECT_EQ(verdict(states[i], input), row[i]) << input.name << " when " << states[i].name;
    }
  }
}

TEST(StateTable, ClosesOnEveryUnknownKindInEveryState) {
  for (const State& state : states) {
    for (const unsigned kind : {0u, 16u, 17u, 128u, 255u}) {
      EXPECT_EQ(verdict(state, {"unknown", frame(static_cast<Kind>(kind), id)}), "close")
          << state.name << kind;
    }
  }
}

TEST(StateTable, EndsTheConnectionOnErrorZeroInEveryState) {
  for (const State& state : states) {
    Scene scene;
    state.enter(scene);
    scene.side->take(
        wire::test::error(0, {.reason = wire::Reason::refused, .code = 0, .text = "no"}));
    ASSERT_TRUE(scene.side->failure) << state.name;
    EXPECT_EQ(scene.side->failure->cause(), Cause::refused) << state.name;
  }
}

}  // namespace
}  // namespace tincan::protocol
