#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "support/temporary_directory.h"
#include "support/user.h"
#include "tincan/method.h"
#include "tincan/stream.h"

namespace tincan {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::patience;
using test::Process;
using test::stranger;

class ListenerAtAPath : public ::testing::Test {
 protected:
  Listener listen(const ListenOptions& options = {}) {
    return std::move(Listener::listen(path_, options).value());
  }

  test::TemporaryDirectory directory_{0755};
  std::string path_ = directory_ / "x.sock";
};

TEST_F(ListenerAtAPath, AcceptsAndKnowsItsClient) {
  Listener listener = listen();
  EXPECT_EQ(listener.address().text(), path_);
  auto client = Stream::connect(path_);
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->write("ping"));  // before anybody accepts
  auto accepted = listener.accept(patience);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->peer().pid(), ::getpid());
  EXPECT_FALSE(accepted->peer().inherited());
  std::byte buffer[8];
  EXPECT_EQ(accepted->read(buffer, patience)->bytes, 4u);
}

TEST_F(ListenerAtAPath, AcceptEndsAtItsDeadline) {
  Listener listener = listen();
  EXPECT_EQ(listener.accept(10ms).error().cause(), Cause::deadline);
  EXPECT_EQ(listener.accept(0ms).error().cause(), Cause::deadline);
}

TEST_F(ListenerAtAPath, AcceptEndsAtItsDeadlineThoughThereAreMoreToRefuse) {
  Listener listener = listen({.allow = {.uids = {::geteuid() + 1}}});
  std::vector<Stream> crowd;
  for (int i = 0; i < 20; ++i) crowd.push_back(std::move(Stream::connect(path_).value()));
  EXPECT_EQ(listener.accept(0ms).error().cause(), Cause::deadline);
  const auto refused = std::ranges::count_if(crowd, [](Stream& stream) {
    std::byte byte;
    const auto received = stream.read(std::span(&byte, 1), 0ms);
    return received && received->end;
  });
  EXPECT_EQ(refused, 1);
}

TEST_F(ListenerAtAPath, TakesAClientThatHasGone) {
  Listener listener = listen();
  Stream::connect(path_)->close();
  auto accepted = listener.accept(patience);
  ASSERT_TRUE(accepted);
  std::byte buffer[8];
  EXPECT_TRUE(accepted->read(buffer, patience)->end);
}

TEST_F(ListenerAtAPath, CloseWakesEverybodyWhoAccepts) {
  Listener listener = listen();
  std::atomic<int> closed = 0, inside = 0;
  std::vector<std::jthread> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back([&] {
      ++inside;
      if (listener.accept().error().cause() == Cause::closed) ++closed;
    });
  }
  EXPECT_TRUE(eventually([&] { return inside == 4; }));
  listener.close();
  EXPECT_TRUE(eventually([&] { return closed == 4; }));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(listener.accept(patience).error().cause(), Cause::closed);
  EXPECT_EQ(listener.fd(), -1);
  EXPECT_EQ(Stream::connect(path_).error().cause(), Cause::no_server);
  listener.close();
}

TEST_F(ListenerAtAPath, SharesItsClientsAmongThreads) {
  Listener listener = listen();
  std::atomic<int> accepted = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (const auto client = listener.accept()) ++accepted;
    });
  }
  std::vector<Stream> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(std::move(*Stream::connect(path_, patience)));
  EXPECT_TRUE(eventually([&] { return accepted == 100; }));
  listener.close();
}

TEST_F(ListenerAtAPath, ClosesUnreadWhomNoRuleAdmits) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming other users needs root";
  Listener listener = listen({.mode = 0666, .allow = {.uids = {0}}});
  auto refused = Process::fork([&] {
    if (!test::become(stranger)) return 9;
    auto stream = Stream::connect(path_);
    std::byte buffer[8];
    const auto received = stream->read(buffer, patience);
    return received && received->end ? 0 : 1;
  });
  EXPECT_EQ(listener.accept(200ms).error().cause(), Cause::deadline);
  EXPECT_EQ(refused.wait(), 0);
  const auto client = Stream::connect(path_);
  EXPECT_TRUE(listener.accept(patience));
}

TEST_F(ListenerAtAPath, RestsWhenDescriptorsRunOutAndGoesOnAfterwards) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UBSan looks at addresses through a pipe, for which there is no descriptor";
#endif
  auto child = Process::fork([&] {
    Listener listener = listen({.accept_rest = 200ms});
    const auto client = Stream::connect(path_);
    rlimit before;
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none{3, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto start = std::chrono::steady_clock::now();
    const auto accepted = listener.accept(patience);
    const bool rested = std::chrono::steady_clock::now() - start >= 200ms;
    if (accepted || accepted.error().cause() != Cause::exhausted || !rested) return 1;
    if (!accepted.error().detail().ends_with("(ulimit -n, now 3)")) return 3;
    ::setrlimit(RLIMIT_NOFILE, &before);
    return listener.accept(patience) ? 0 : 2;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(ListenerAtAPath, IsDeadInAForkedChild) {
  std::optional<Listener> listener = listen();
  auto child = Process::fork([&] {
    const bool dead =
        listener->fd() == -1 && listener->accept(patience).error().cause() == Cause::forked;
    listener->close();
    listener.reset();
    return dead ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(Stream::connect(path_));
}

TEST_F(ListenerAtAPath, CannotTakeOver) {
  EXPECT_EQ(Listener::listen(path_, {.take_over = true}).error().cause(), Cause::unsupported);
}

TEST(ListenerOfAConnection, YieldsItOnce) {
  auto pair = Stream::pair();
  const int number = ::dup(pair->first.fd());
  auto listener = Listener::listen("fd:" + std::to_string(number));
  ASSERT_TRUE(listener);
  auto only = listener->accept(patience);
  ASSERT_TRUE(only);
  EXPECT_TRUE(only->peer().inherited());
  ASSERT_TRUE(only->write("x"));
  EXPECT_EQ(listener->accept(patience).error().cause(), Cause::closed);
}

}  // namespace
}  // namespace tincan
