#include "os/user.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace tincan::os {
namespace {

TEST(User, KnowsRoot) {
  EXPECT_EQ(user_name(0), "root");
  EXPECT_EQ(group_name(0), "root");
  EXPECT_EQ(group_number("root"), 0u);
  EXPECT_EQ(describe_user(0), "uid 0 (root)");
  EXPECT_EQ(describe_group(0), "group root (0)");
}

TEST(User, SaysTheNumberWhereThereIsNoName) {
  EXPECT_EQ(user_name(3999999999), std::nullopt);
  EXPECT_EQ(group_number("no such group"), std::nullopt);
  EXPECT_EQ(describe_user(3999999999), "uid 3999999999");
  EXPECT_EQ(describe_group(3999999999), "gid 3999999999");
}

TEST(User, ReadsTheOverflowIds) {
  EXPECT_EQ(overflow_uid(), 65534u);
  EXPECT_EQ(overflow_gid(), 65534u);
}

TEST(User, FindsAPrivateGroup) {
  EXPECT_TRUE(is_private_group(0, 0));
  EXPECT_FALSE(is_private_group(0, 1));           // not root's primary group
  EXPECT_FALSE(is_private_group(65534, 65534));   // nobody's group is called nogroup
  EXPECT_FALSE(is_private_group(3999999999, 0));  // no such user
}

}  // namespace
}  // namespace tincan::os
