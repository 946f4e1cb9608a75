#include "session/service.h"

#include <algorithm>

namespace tincan::session {

namespace {

std::unique_ptr<Service> make_service(const ServerOptions& options = {}) {
  return or_exit(Service::create(or_exit(Address::parse("./nowhere")), options, std::nullopt));
}

TEST(Service, FindsMethodsByTheirWholeName) {
  const auto service = make_service();
  service->on("job.run", [](Request) {}, {});
  EXPECT_NE(service->find("job.run"), nullptr);
  EXPECT_EQ(service->find("job.ru"), nullptr);
  EXPECT_EQ(service->find("job.run2"), nullptr);
  EXPECT_EQ(service->find(""), nullptr);
}

TEST(Service, ReplacesAMethodThatIsAddedAgain) {
  const auto service = make_service();
  service->on("twice", [](Request) {}, {});
  service->on("twice", [](Request) {}, {.uids = {7}});
  EXPECT_EQ(service->find("twice")->allow.uids, std::vector<uid_t>{7});
}

TEST(Service, ListsMethodsInOrderAndHidesTheReservedFromErrors) {
  const auto service = make_service();
  EXPECT_EQ(service->no_method("x"), "no method x (methods: none)");
  service->on("b", [](Request) {}, {});
  service->on("a", [](Request) {}, {});
  EXPECT_EQ(service->no_method("x"), "no method x (methods: a, b)");
  const auto names = service->method_names();
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_NE(std::ranges::find(names, "tincan.health"), names.end());
}

TEST(Service, KeepsReservedNamesFromTheHandlerForAll) {
  const auto service = make_service();
  service->on_any([](Request) {}, {});
  EXPECT_NE(service->find("whatever"), nullptr);
  EXPECT_EQ(service->find("tincan.whatever"), nullptr);
  EXPECT_NE(service->find("tincan.ping"), nullptr);
}

TEST(Service, PlacesNewcomersWhereTheFewestAre) {
  const auto service = make_service();
  Loop* const first = or_exit(service->add_loop());
  Loop* const second = or_exit(service->add_loop());
  int placed_first = 0;
  for (int i = 0; i < 10; ++i) {
    Newcomer newcomer;
    placed_first += !service->place_elsewhere(newcomer, *first);
  }
  EXPECT_EQ(second->mailbox()->empty().newcomers.size(), 5u);
  EXPECT_EQ(placed_first, 5);
  EXPECT_EQ(first->load(), 5u);
  EXPECT_EQ(second->load(), 5u);
}

TEST(Service, SendsNobodyToALoopThatHasDrained) {
  const auto service = make_service();
  Loop* const drained = or_exit(service->add_loop());
  service->stop();
  EXPECT_FALSE(drained->turn(Moment::never()));
  Loop* const other = or_exit(service->add_loop());
  other->expect_one();
  Newcomer newcomer;
  EXPECT_FALSE(service->place_elsewhere(newcomer, *other));
  EXPECT_EQ(other->load(), 2u);
}

TEST(Service, CutsTheListOfAThousandMethods) {
  const auto service = make_service();
  for (int i = 0; i < 1000; ++i) {
    service->on(std::string(200, 'm') + std::to_string(i), [](Request) {}, {});
  }
  EXPECT_LT(service->no_method("x").size(), 2 * limits::error_text_bytes_max);
  service->on("a", [](Request) {}, {});
  EXPECT_TRUE(service->no_method("x").starts_with("no method x (methods: a, "));
}

}  // namespace

}  // namespace tincan::session
