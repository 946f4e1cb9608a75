#include "os/socket_diag.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "os/socket.h"
#include "support/temporary_directory.h"

namespace tincan::os {
namespace {

TEST(SocketDiag, KnowsABoundSocketThatDoesNotListen) {
  const test::TemporaryDirectory directory;
  auto socket = stream_socket();
  const auto other = stream_socket();
  ASSERT_TRUE(bind(socket->get(), SocketAddress::of_path(directory / "x")));
  const FileId file = id_of(*status_at(AT_FDCWD, directory / "x"));
  const auto bound = is_bound(file);
  if (!bound) GTEST_SKIP() << "this kernel has no unix_diag: errno " << bound.error().code;
  EXPECT_TRUE(*bound);
  EXPECT_EQ(is_bound_to(socket->get(), file), true);
  EXPECT_EQ(is_bound_to(other->get(), file), false);
  socket->reset();
  EXPECT_EQ(is_bound(file), false);
}

}  // namespace
}  // namespace tincan::os
