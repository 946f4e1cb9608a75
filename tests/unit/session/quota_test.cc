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

Quota::Limits connections(std::uint32_t in_all, std::uint32_t of_one) {
  return {.connections = in_all, .connections_per_uid = of_one};
}

TEST(Quota, AdmitsAsManyAsThereArePlacesAndSaysWhichLimitIsReached) {
  Quota quota(connections(3, 2));
  const Peer known = own_peer();
  const Peer unknown;
  EXPECT_TRUE(quota.take(known));
  EXPECT_TRUE(quota.take(known));
  EXPECT_EQ(quota.take(known).error(), "uid " + std::to_string(*known.uid()) +
                                           " has 2 connections, the server's limit for one user");
  EXPECT_TRUE(quota.take(unknown));
  EXPECT_EQ(quota.take(unknown).error(), "the server has 3 connections, its limit");
}

TEST(Quota, CountsThoseWhoseUidIsUnknownTogether) {  // P11
  Quota quota(connections(10, 1));
  EXPECT_TRUE(quota.take(Peer()));
  EXPECT_EQ(quota.take(Peer()).error(),
            "users unknown here has 1 connections, the server's limit for one user");
  EXPECT_TRUE(quota.take(own_peer()));
}

TEST(Quota, GivesPlacesBack) {
  Quota quota(connections(1, 1));
  for (int i = 0; i < 3; ++i) {
    Account* const account = quota.take(own_peer()).value();
    EXPECT_FALSE(quota.take(own_peer()));
    quota.give_back(*account);
  }
}

TEST(Quota, BoundsTheBytesOfRequestsOfOneAndOfAll) {  // P4
  Quota quota({.connections = 9,
               .connections_per_uid = 9,
               .request_bytes = 100,
               .request_bytes_per_uid = 70});
  Account& one = *quota.take(own_peer()).value();
  Account& other = *quota.take(Peer()).value();
  EXPECT_TRUE(quota.charge(one, 70));
  EXPECT_FALSE(quota.charge(one, 1));
  EXPECT_FALSE(quota.charge(other, 31));
  EXPECT_TRUE(quota.charge(other, 30));
  EXPECT_FALSE(quota.charge(other, UINT64_MAX));
  quota.discharge(one, 70);
  EXPECT_TRUE(quota.charge(other, 40));
  EXPECT_TRUE(quota.charge(one, 30));
}

TEST(Quota, GrantsARingInThePlaceOfAnotherAsOftenAsOneMayBeGranted) {
  Quota quota({.connections = 9,
               .connections_per_uid = 9,
               .rings = 1,
               .rings_per_uid = 1,
               .ring_grants_per_second = 3});
  Account& account = *quota.take(own_peer()).value();
  const Moment now(1'000'000'000'000);
  EXPECT_TRUE(quota.take_ring(account, now));
  EXPECT_FALSE(quota.take_ring(account, now));
  EXPECT_TRUE(quota.exchange_ring(account, now));
  EXPECT_TRUE(quota.exchange_ring(account, now));
  EXPECT_FALSE(quota.exchange_ring(account, now));
  EXPECT_TRUE(quota.exchange_ring(account, now + std::chrono::seconds(1)));
  quota.give_ring_back(account);
  EXPECT_TRUE(quota.take_ring(account, now + std::chrono::seconds(1)));
}

TEST(Quota, KeepsAnAccountForRequestsThatOutliveTheirConnections) {
  Quota quota({.connections = 9,
               .connections_per_uid = 9,
               .request_bytes = 100,
               .request_bytes_per_uid = 100});
  Account& account = *quota.take(own_peer()).value();
  quota.charge_orphan(account, 90);
  quota.give_back(account);
  Account& again = *quota.take(own_peer()).value();
  EXPECT_EQ(&again, &account);
  EXPECT_FALSE(quota.charge(again, 11));
  quota.discharge_orphan(account, 90);
  EXPECT_TRUE(quota.charge(again, 100));
}

}  // namespace

}  // namespace tincan::session
