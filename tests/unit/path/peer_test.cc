#include "path/peer.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "os/process.h"
#include "os/socket.h"
#include "support/process.h"

namespace tincan::path {
namespace {

TEST(Peer, IsWhoMadeTheConnection) {
  const auto ends = os::stream_socket_pair();
  const Peer peer = peer_of(ends->first.get(), false);
  EXPECT_EQ(peer.uid(), ::geteuid());
  EXPECT_EQ(peer.gid(), ::getegid());
  EXPECT_EQ(peer.pid(), ::getpid());
  EXPECT_TRUE(peer.in_group(::getegid()));
  EXPECT_FALSE(peer.in_group(3999999999));
  EXPECT_FALSE(peer.inherited());
  EXPECT_TRUE(peer_of(ends->first.get(), true).inherited());
}

TEST(Peer, IsUnknownByDefault) {
  const Peer peer;
  EXPECT_FALSE(peer.uid() || peer.gid() || peer.pid() || peer.inherited());
  EXPECT_TRUE(peer.groups().empty());
  EXPECT_EQ(peer.describe(), "an unknown peer");
  EXPECT_EQ(peer.pidfd().error().cause(), Cause::closed);
}

TEST(Peer, HasAPidfdWhileTheConnectionLives) {
  const auto ends = os::stream_socket_pair();
  const Peer peer = peer_of(ends->first.get(), false);
  const Peer copy = peer;
  const auto process = copy.pidfd();
  if (!process && process.error().cause() == Cause::unsupported) {
    GTEST_SKIP() << process.error().explain();
  }
  ASSERT_TRUE(process);
  pollfd alive{process->get(), POLLIN, 0};
  EXPECT_EQ(::poll(&alive, 1, 0), 0);
  forget_socket(peer);
  EXPECT_EQ(copy.pidfd().error().cause(), Cause::closed);
}

TEST(Peer, OfAChildIsKnownByTheChildsOwnPidfd) {
  const auto ends = os::stream_socket_pair();
  auto child = os::spawn(std::vector<std::string>{"true"}, ends->second);
  ASSERT_TRUE(child);
  const pid_t pid = child->pid;
  const Peer peer = peer_of_child(pid, std::move(child->process));
  EXPECT_EQ(peer.pid(), pid);
  EXPECT_FALSE(peer.uid());
  EXPECT_TRUE(peer.inherited());
  EXPECT_EQ(peer.describe(), "an inherited peer, pid " + std::to_string(pid));
  const auto process = peer.pidfd();
  ASSERT_TRUE(process);
  pollfd ended{process->get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 20'000), 1);
}

TEST(Peer, DescribesItselfForALog) {
  const auto ends = os::stream_socket_pair();
  const std::string pid = std::to_string(::getpid());
  EXPECT_EQ(peer_of(ends->first.get(), true).describe(), "uid " + std::to_string(::geteuid()) +
                                                             (::geteuid() == 0 ? " (root)" : "") +
                                                             ", pid " + pid + " (inherited)");
}

}  // namespace
}  // namespace tincan::path
