#include "path/access.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "os/socket.h"
#include "os/user.h"
#include "path/peer.h"
#include "support/user.h"

namespace tincan::path {
namespace {

using test::run_as;
using test::stranger;

/// Runs `judge` on the peer that a user in `groups` is, and returns what it returned.
int judged(uid_t uid, const std::vector<gid_t>& groups, const std::function<bool(Peer)>& judge) {
  return run_as(
      uid,
      [&] {
        const auto ends = os::stream_socket_pair();
        return judge(peer_of(ends->first.get(), false)) ? 1 : 0;
      },
      groups);
}

class Access : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming other users needs root";
  }
};

TEST_F(Access, WithoutRulesEverybodyIsAdmitted) {
  EXPECT_TRUE(admits({}, Peer()));
  EXPECT_EQ(judged(stranger, {}, [](const Peer& peer) { return admits({}, peer); }), 1);
}

TEST_F(Access, GoesByUidPrimaryAndSupplementaryGroup) {
  const auto admitted = [](const AllowList& allow) {
    return judged(stranger, {1005, 1006}, [&](const Peer& peer) { return admits(allow, peer); });
  };
  EXPECT_EQ(admitted({.uids = {1, stranger}, .gids = {}}), 1);
  EXPECT_EQ(admitted({.uids = {}, .gids = {stranger}}), 1);
  EXPECT_EQ(admitted({.uids = {}, .gids = {7, 1006}}), 1);
  EXPECT_EQ(admitted({.uids = {0, 1005}, .gids = {0, 7}}), 0);
}

TEST_F(Access, NeverAdmitsTheOverflowIds) {
  const AllowList nobody{.uids = {os::overflow_uid()}, .gids = {os::overflow_gid()}};
  EXPECT_EQ(judged(os::overflow_uid(), {os::overflow_gid()},
                   [&](const Peer& peer) {
                     return admits(nobody, peer) || peer.uid() || peer.gid() ||
                            !peer.groups().empty();
                   }),
            0);
}

TEST_F(Access, AdmitsNobodyUnknownWhenThereAreRules) {
  EXPECT_FALSE(admits({.uids = {0}, .gids = {0}}, Peer()));
}

TEST_F(Access, LeavesInheritedConnectionsToWhoGaveThem) {
  const auto ends = os::stream_socket_pair();
  EXPECT_TRUE(admits({.uids = {stranger}, .gids = {}}, peer_of(ends->first.get(), true)));
  EXPECT_FALSE(admits({.uids = {stranger}, .gids = {}}, peer_of(ends->first.get(), false)));
}

TEST_F(Access, RefusesInWordsThatTheClientCompletes) {
  const std::string rules = describe({.uids = {0}, .gids = {3999999999, 0}});
  EXPECT_EQ(rules, "gid 3999999999, group root (0), uid 0 (root)");
  const auto ends = os::stream_socket_pair();
  const std::string sent = refusal(peer_of(ends->first.get(), false), "group ops (1005)");
  EXPECT_EQ(sent, "uid 0 matches no rule; allowed: group ops (1005)");
  EXPECT_EQ(with_own_name(sent), "uid 0 (root) matches no rule; allowed: group ops (1005)");
  EXPECT_EQ(with_own_name("uid 01 matches"), "uid 01 matches");
  EXPECT_EQ(refusal(Peer(), "uid 0"),
            "a user unknown to this user namespace matches no rule; allowed: uid 0");
}

}  // namespace
}  // namespace tincan::path
