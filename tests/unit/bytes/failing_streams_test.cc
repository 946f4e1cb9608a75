// Promise 16: every failure of a system call is handled. Here those of byte streams.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>

#include "os/result.h"
#include "support/failing_calls.h"
#include "support/temporary_directory.h"
#include "tincan/method.h"
#include "tincan/stream.h"

#ifdef TINCAN_SEAM

namespace tincan {
namespace {

using namespace std::chrono_literals;
using test::Fault;
using test::patience_with_failures;

/// What a failure may be called whose errno is known.
template <class T>
void expect_is_told(const Result<T>& ended, const Fault& fault) {
  if (ended || fault.error() == 0) return;
  const Failure& failure = ended.error();
  EXPECT_GT(failure.explain().size(), 10u) << fault.what();
  EXPECT_NE(failure.outcome(), Outcome::declared) << fault.what();
}

class FailingStreams : public ::testing::TestWithParam<bool> {
 protected:
  /// Everything that two ends can do, as far as it gets.
  void use(Fault& fault) {
    const test::Installed installed(fault);
    auto listener = Listener::listen(path_, {.accept_rest = 1ms});
    expect_is_told(listener, fault);
    if (!listener) return;
    auto client = Stream::connect(path_, patience_with_failures);
    expect_is_told(client, fault);
    if (!client) return;
    auto accepted = listener->accept(patience_with_failures);
    expect_is_told(accepted, fault);
    if (accepted) exchange(*client, *accepted, fault);
    listener->close();
    EXPECT_EQ(listener->accept(0ms).error().cause(), Cause::closed) << fault.what();
  }
  void exchange(Stream& client, Stream& server, Fault& fault) {
    const auto nothing = client.read(buffer_, 1ms);  // for it is not there yet
    EXPECT_TRUE(!nothing || nothing->end) << fault.what();
    std::vector<Descriptor> sent;
    if (auto copy = file_.duplicate()) sent.push_back(std::move(*copy));
    const auto written = client.write(bytes_of("question"), patience_with_failures, sent);
    expect_is_told(written, fault);
    if (!written) {
      EXPECT_EQ(written.error().outcome(), Outcome::not_sent) << fault.what();
    } else if (const auto read = server.read(buffer_, 4, patience_with_failures)) {
      EXPECT_EQ(read->end ? 0 : 8u, read->bytes) << fault.what();
      EXPECT_EQ(read->descriptors.size(), read->end ? 0 : sent.size()) << fault.what();
    }
    // Until the pipe is full, and then it waits.
    const std::string much(1 << 20, 'x');
    const auto some = server.write(much, 1ms);
    EXPECT_FALSE(some) << fault.what();
    const auto finished = server.finish();
    expect_is_told(finished, fault);
    expect_is_told(client.read(buffer_, patience_with_failures), fault);
    client.close();
    expect_is_told(server.read(buffer_, patience_with_failures), fault);
  }

  test::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "x.sock";
  const Descriptor file_{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  std::array<std::byte, 64> buffer_;
};

TEST_P(FailingStreams, TellWhatFailedAndLeaveNothing) {
  test::fail_each_call(
      [&](Fault& fault) {
        use(fault);
        EXPECT_TRUE(Listener::listen(path_)) << fault.what();  // nothing has to be removed
      },
      40, GetParam());
}

TEST_P(FailingStreams, ThatCannotBeMadeAreTold) {
  test::fail_each_call(
      [&](Fault& fault) {
        const test::Installed installed(fault);
        const auto pair = Stream::pair();
        if (fault.error() == 0) {
          EXPECT_TRUE(pair);
        } else if (!pair && os::is_shortage(fault.error()) &&
                   fault.failed() == os::Call::socketpair) {
          EXPECT_EQ(pair.error().cause(), Cause::exhausted) << fault.what();
        }
        if (pair) {
          EXPECT_TRUE(pair->first.fd() >= 0 && pair->second.fd() >= 0) << fault.what();
        }
      },
      4, GetParam());
}

TEST(Stream, NeedsAnAddressThatCanBeRead) {
  EXPECT_EQ(Stream::connect("nowhere:x").error().cause(), Cause::usage);
  EXPECT_EQ(Listener::listen("nowhere:x").error().cause(), Cause::usage);
}

/// Answers all accepting with one error, once.
class AcceptFails : public os::Seam {
 public:
  explicit AcceptFails(int error) : error_(error) {}
  int before(os::Call call, std::size_t*) override {
    return call == os::Call::accept ? std::exchange(error_, 0) : 0;
  }

 private:
  int error_;
};

TEST(ListenerThatCannotAccept, GoesOnWhereTheClientHasGone) {
  const test::TemporaryDirectory directory;
  auto listener = Listener::listen(directory / "x");
  ASSERT_TRUE(listener);
  const auto client = Stream::connect(directory / "x");
  for (const int gone : {ECONNABORTED, EPERM, EAGAIN}) {
    AcceptFails once(gone);
    const test::Installed installed(once);
    const auto second = Stream::connect(directory / "x");
    EXPECT_TRUE(listener->accept(test::patience)) << gone;
  }
}

TEST(ListenerThatCannotAccept, TellsAShortageAfterARestAndAnythingElseAtOnce) {
  const test::TemporaryDirectory directory;
  auto listener = Listener::listen(directory / "x", {.accept_rest = 1ms});
  ASSERT_TRUE(listener);
  const auto client = Stream::connect(directory / "x");
  for (const int error : {EMFILE, ENFILE, ENOMEM, EIO}) {
    AcceptFails once(error);
    const test::Installed installed(once);
    const auto accepted = listener->accept(test::patience);
    ASSERT_FALSE(accepted);
    EXPECT_EQ(accepted.error().cause(), error == EIO ? Cause::system : Cause::exhausted);
    EXPECT_EQ(accepted.error().system_error(), error);
  }
  EXPECT_TRUE(listener->accept(test::patience));  // it has waited in the backlog
}

INSTANTIATE_TEST_SUITE_P(Once, FailingStreams, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(FromNowOn, FailingStreams, ::testing::Values(true));

}  // namespace
}  // namespace tincan

#endif
