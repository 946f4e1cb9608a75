// Which methods a server has, who may call them, and what it says to those who err.

#include <thread>

#include "system/running_server.h"

namespace tincan::test {

namespace {

TEST(Server, NamesItsMethodsToWhoeverCallsAnother) {
  RunningServer server;
  server->on("job.status", [](Request request) { request.reply(); });
  server->on("job.run", [](Request request) { request.reply(); });
  server.run();
  Client client = server.connect();
  const auto reply = client.call("job.stauts");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().outcome(), Outcome::not_sent);
  EXPECT_EQ(reply.error().cause(), Cause::no_method);
  EXPECT_EQ(reply.error().detail(), "no method job.stauts (methods: job.run, job.status)");
}

TEST(Server, GivesTheCallsOfNoMethodToOneHandlerForAll) {
  RunningServer server;
  server->on("known", [](Request request) { request.reply("mine"); });
  server->on_any([](Request request) { request.reply(request.method()); });
  server.run();
  Client client = server.connect();
  EXPECT_EQ(or_exit(client.call("known")).text(), "mine");
  EXPECT_EQ(or_exit(client.call("unknown")).text(), "unknown");
  EXPECT_EQ(client.call("tincan.unknown").error().cause(), Cause::no_method);
}

TEST(Server, AdmitsToAMethodOnlyItsAllowList) {  // P11
  RunningServer server;
  server->on("ours", [](Request request) { request.reply("in"); }, {.uids = {geteuid()}});
  server->on("theirs", [](Request request) { request.reply("in"); }, {.uids = {geteuid() + 1}});
  server.run();
  Client client = server.connect();
  EXPECT_EQ(or_exit(client.call("ours")).text(), "in");
  const auto refused = client.call("theirs");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().cause(), Cause::refused);
  EXPECT_EQ(refused.error().outcome(), Outcome::not_sent);
  EXPECT_NE(refused.error().detail().find("theirs"), std::string::npos);
  EXPECT_EQ(server->counts().refused, 1u);
}

TEST(Server, AnswersTheReservedMethods) {
  RunningServer server;
  server->on("mine", [](Request request) { request.reply(); });
  server.run();
  Client client = server.connect();
  EXPECT_EQ(or_exit(client.call("tincan.ping", "sound")).text(), "sound");
  EXPECT_EQ(or_exit(client.call("tincan.health")).text(), "ok\n");
  const Reply methods = or_exit(client.call("tincan.methods"));
  EXPECT_NE(methods.text().find("mine\n"), std::string::npos);
  EXPECT_NE(methods.text().find("tincan.ping\n"), std::string::npos);
  const Reply stats = or_exit(client.call("tincan.stats"));
  EXPECT_NE(stats.text().find("connections 1\n"), std::string::npos) << stats.text();
  EXPECT_NE(stats.text().find("replies 3\n"), std::string::npos) << stats.text();
  EXPECT_EQ(client.call("tincan.take_over").error().cause(), Cause::declared);
}

TEST(Client, RefusesMethodNamesThatTheWireCannotCarry) {
  RunningServer server;
  const std::string longest(limits::method_bytes_max, 'm');
  server->on(longest, [](Request request) { request.reply("long"); });
  server.run();
  Client client = server.connect();
  EXPECT_EQ(or_exit(client.call(longest)).text(), "long");
  EXPECT_EQ(client.call("").error().cause(), Cause::usage);
  EXPECT_EQ(client.call(longest + "m").error().cause(), Cause::usage);
  EXPECT_EQ(client.submit("", {}, [](Result<Reply>) {}).error().cause(), Cause::usage);
}

struct Point {
  int x, y;
};
inline constexpr Method<Point, int> area{"area"};
inline constexpr Method<int, Point> mistyped{"area"};

TEST(Handler, OfATypedMethodTakesAndReturnsValuesOrAFailure) {
  RunningServer server;
  server->on(area, [](const Point& point) -> Result<int> {
    if (point.x < 0) {
      return std::unexpected(Failure(Cause::declared, "negative").with_code(9));
    }
    return point.x * point.y;
  });
  server.run();
  Client client = server.connect();
  EXPECT_EQ(or_exit(client.call(area, {6, 7})), 42);
  const auto negative = client.call(area, {-1, 1});
  ASSERT_FALSE(negative);
  EXPECT_EQ(negative.error().detail(), "negative");
  EXPECT_EQ(negative.error().code(), 9);
  EXPECT_EQ(client.call(mistyped, 1).error().outcome(), Outcome::declared);
}

}  // namespace

}  // namespace tincan::test
