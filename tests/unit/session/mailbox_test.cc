#include "session/mailbox.h"

#include <poll.h>

#include "os/socket.h"

namespace tincan::session {

namespace {

class MailboxOfALoop : public ::testing::Test {
 protected:
  ~MailboxOfALoop() override { pool_->drop(); }

  [[nodiscard]] bool rings() const { return *os::wait_for(mailbox_->fd(), POLLIN, Moment()) != 0; }

  PayloadPool* const pool_ = PayloadPool::create();
  std::shared_ptr<Mailbox> mailbox_ =
      std::make_shared<Mailbox>(std::move(*os::Bell::create()), pool_);
};

TEST_F(MailboxOfALoop, RingsUntilItIsEmptied) {
  RequestState request(mailbox_);
  EXPECT_FALSE(rings());
  ASSERT_TRUE(mailbox_->post(request));
  EXPECT_TRUE(rings());
  EXPECT_EQ(mailbox_->empty().requests, &request);
  EXPECT_FALSE(rings());
  EXPECT_EQ(mailbox_->empty().requests, nullptr);
}

TEST_F(MailboxOfALoop, KeepsTheOrderOfWhatIsPosted) {
  RequestState first(mailbox_);
  RequestState second(mailbox_);
  ASSERT_TRUE(mailbox_->post(first));
  ASSERT_TRUE(mailbox_->post(second));
  const auto contents = mailbox_->empty();
  ASSERT_EQ(contents.requests, &first);
  ASSERT_EQ(first.next_in_mailbox, &second);
  EXPECT_EQ(second.next_in_mailbox, nullptr);
  // A second round is not mixed up with the first.
  ASSERT_TRUE(mailbox_->post(second));
  EXPECT_EQ(mailbox_->empty().requests, &second);
  EXPECT_EQ(second.next_in_mailbox, nullptr);
}

TEST_F(MailboxOfALoop, CarriesConnections) {
  auto ends = os::stream_socket_pair();
  const int number = ends->first.get();
  ASSERT_TRUE(mailbox_->post(Newcomer{std::move(ends->first), Peer()}));
  EXPECT_TRUE(rings());
  const auto contents = mailbox_->empty();
  ASSERT_EQ(contents.newcomers.size(), 1u);
  EXPECT_EQ(contents.newcomers[0].socket.get(), number);
}

TEST_F(MailboxOfALoop, TakesNothingOnceItsLoopHasEnded) {
  RequestState request(mailbox_);
  EXPECT_FALSE(mailbox_->is_closed());
  mailbox_->close();
  EXPECT_TRUE(mailbox_->is_closed());
  EXPECT_FALSE(mailbox_->post(request));
  auto ends = os::stream_socket_pair();
  EXPECT_FALSE(mailbox_->post(Newcomer{std::move(ends->first), Peer()}));
  EXPECT_EQ(mailbox_->empty().requests, nullptr);
}

}  // namespace

}  // namespace tincan::session
