#include "session/quota.h"

#include "os/socket.h"
#include "path/peer.h"

namespace tincan::session {

namespace {

/// A peer of our own uid.
Peer own_peer() {
  const auto ends = os::stream_socket_pair();
  return path::peer_of(ends->first.get(), false);
}

TEST(Quota, AdmitsAsManyAsThereArePlacesAndSaysWhichLimitIsReached) {
  Quota quota(3, 2);
  const Peer known = own_peer();
  const Peer unknown;
  EXPECT_FALSE(quota.take(known));
  EXPECT_FALSE(quota.take(known));
  const auto of_one = quota.take(known);
  ASSERT_TRUE(of_one);
  EXPECT_EQ(*of_one, "uid " + std::to_string(*known.uid()) +
                         " has 2 connections, the server's limit for one user");
  EXPECT_FALSE(quota.take(unknown));
  EXPECT_EQ(quota.take(unknown), "the server has 3 connections, its limit");
}

TEST(Quota, CountsThoseWhoseUidIsUnknownTogether) {  // P11
  Quota quota(10, 1);
  EXPECT_FALSE(quota.take(Peer()));
  EXPECT_EQ(quota.take(Peer()),
            "users unknown here has 1 connections, the server's limit for one user");
  EXPECT_FALSE(quota.take(own_peer()));
}

TEST(Quota, GivesPlacesBack) {
  Quota quota(1, 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(quota.take(own_peer()));
    EXPECT_TRUE(quota.take(own_peer()));
    quota.give_back(own_peer());
  }
}

}  // namespace

}  // namespace tincan::session
