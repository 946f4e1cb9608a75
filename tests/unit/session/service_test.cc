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
    Loop* loop = first;
    const auto mailbox = service->place_newcomer(loop);
    EXPECT_TRUE(mailbox == loop->mailbox());
    placed_first += loop == first;
  }
  EXPECT_EQ(placed_first, 5);
  EXPECT_EQ(first->load(), 5u);
  EXPECT_EQ(second->load(), 5u);
}

}  // namespace

}  // namespace tincan::session
