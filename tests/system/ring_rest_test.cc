// Servers that wake a client up for nothing: whoever waits at a ring rests all the same (promise
// 5).

#include "support/seam.h"

#ifdef TINCAN_SEAM

#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "system/polling.h"
#include "system/raw_ring.h"
#include "system/raw_ring_server.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

/// Counts calls to the kernel.
class Calls : public os::Seam {
 public:
  int before(os::Call, std::size_t*) override {
    ++count;
    return 0;
  }
  std::atomic<int> count = 0;
};

/// Far more than are needed until the deadline; who spins makes as many in a millisecond.
constexpr int kernel_calls_max = 500;
/// Of one that looks before it sleeps, too: it makes some 50 while it looks in vain, a few times.
/// One that finds something each time it looks makes 8,000.
constexpr int kernel_calls_of_looks_max = 3000;
constexpr CallOptions in_vain{.deadline = 200ms};

ClientOptions that_sleeps() {
  ClientOptions options = eager();
  options.waiting = Waiting::block;
  return options;
}

struct Provocation {
  const char* name;
  std::function<void(RawRingServer&)> provoke;
};

class Provoked : public ::testing::TestWithParam<Provocation> {
 protected:
  /// A ring, and a server that has done what it is about.
  void SetUp() override {
    auto caller = std::async(std::launch::async, [&] { return reach_ring(*server_.connected); });
    ASSERT_TRUE(server_.reach());
    ASSERT_TRUE(caller.get());
    GetParam().provoke(server_);
  }
  /// Begins a call that is not answered.
  void submit(std::string_view payload) {
    const auto done = [this](const Result<Reply>&) { ++ended_; };
    ASSERT_TRUE(server_.connected->submit("hold", bytes_of(payload), done, in_vain));
  }

  RawRingServer server_{that_sleeps()};
  int ended_ = 0;
};

TEST_P(Provoked, LetsACallRestUntilItsDeadline) {
  Calls calls;
  const Installed installed(calls);
  EXPECT_FALSE(server_.connected->call("hold", "", in_vain));
  EXPECT_LT(calls.count, kernel_calls_max) << "it spins";
}

TEST_P(Provoked, LetsACallRestUntilItsDeadlineThatIsLargerThanTheRing) {
  Calls calls;
  const Installed installed(calls);
  EXPECT_FALSE(server_.connected->call("hold", std::string(1'000'000, 'x'), in_vain));
  EXPECT_LT(calls.count, kernel_calls_max) << "it spins";
}

TEST_P(Provoked, LetsAnEventLoopRestUntilTheDeadline) {
  Client& client = *server_.connected;
  ASSERT_GE(client.fd(), 0);
  submit("small");
  submit(std::string(1'000'000, 'x'));
  submit("behind it");
  Calls calls;
  const Installed installed(calls);
  ASSERT_TRUE(process_until(client, [&] { return ended_ == 3; }));
  EXPECT_LT(calls.count, kernel_calls_max) << "it spins";
}

INSTANTIATE_TEST_SUITE_P(
    , Provoked,
    ::testing::Values(
        Provocation{"by_nothing", [](RawRingServer&) {}},
        Provocation{"by_half_a_header",
                    [](RawRingServer& server) { server.peer->send(RawPeer::Bytes(8)); }},
        Provocation{"by_a_byte_out_of_band",
                    [](RawRingServer& server) { server.peer->send(RawPeer::Bytes(1), MSG_OOB); }},
        Provocation{"by_descriptors_for_what_is_never_published",
                    [](RawRingServer& server) {
                      server.memory->words().descriptor_sets = 3;
                      for (const std::uint64_t at : {1000, 2000, 3000}) {
                        server.send_descriptor_for(at);
                      }
                    }},
        Provocation{"by_one_set_that_is_early",
                    [](RawRingServer& server) { server.send_descriptor_for(1000); }},
        Provocation{"by_a_doorbell_that_is_gone",
                    [](RawRingServer& server) { server.bell.reset(); }},
        Provocation{"by_a_doorbell_that_is_full",
                    [](RawRingServer& server) {
                      for (int i = 0; i < 100'000; ++i) server.bell->ring();
                    }},
        Provocation{"by_a_sleeper_that_is_not_there",
                    [](RawRingServer& server) { server.memory->words().sleep = ~7u | 3u; }},
        Provocation{"by_a_revocation_in_memory_alone",
                    [](RawRingServer& server) { server.memory->words().sleep = 4; }},
        Provocation{"by_a_server_that_reads_nothing_more",
                    [](RawRingServer& server) { ::shutdown(server.peer->fd(), SHUT_RD); }}),
    [](const auto& one) { return std::string(one.param.name); });

struct Nuisance {
  const char* name;
  std::function<void(RawRing&)> commit;
};

/// A server that holds some requests, and answers others at length.
class Bothered : public Rings, public ::testing::WithParamInterface<Nuisance> {
 protected:
  explicit Bothered(Waiting waiting = Waiting::block)
      : Rings(ServerOptions{.waiting = waiting, .ring_idle = 1h}) {
    server_->on("hold", [this](Request request) { held_.push_back(std::move(request)); });
    server_->on("essay", [](Request request) { request.reply(std::string(2'000'000, 'x')); });
    server_.run();
  }
  ~Bothered() override { server_.end(); }

  void expect_rest(int calls_max) {
    RawRing ring(server_.path());
    // Of those for whom it may be worthwhile to look.
    ring.end->say_cpu(another_cpu);
    ASSERT_TRUE(ring.reach());
    ASSERT_EQ(ring.echo(1, "honest"), "honest");
    GetParam().commit(ring);
    Client bystander = server_.connect();
    Calls calls;
    const Installed installed(calls);
    EXPECT_FALSE(bystander.call("hold", "", in_vain));
    EXPECT_LT(calls.count, calls_max) << "it spins";
  }

 private:
  static constexpr std::uint32_t another_cpu = 1 << 20;

  std::vector<Request> held_;
};

class BotheredWhenLooking : public Bothered {
 protected:
  BotheredWhenLooking() : Bothered(Waiting::adaptive) {}
};

TEST_P(Bothered, ServersRestWhileNobodySaysAnything) { expect_rest(kernel_calls_max); }
TEST_P(BotheredWhenLooking, ServersRestWhileNobodySaysAnything) {
  expect_rest(kernel_calls_of_looks_max);
}

/// Calls, of whose answers it reads none.
void call(RawRing& ring, std::size_t bytes, std::uint16_t count) {
  const std::string text(bytes, 'x');
  for (std::uint16_t i = 0; i < count; ++i) ring.write(RawPeer::call(i + 2, i, "echo", text));
}

const auto nuisances = ::testing::Values(
    Nuisance{"by_nothing", [](RawRing&) {}},
    Nuisance{"by_half_a_header", [](RawRing& ring) { ring.peer.send(RawPeer::Bytes(8)); }},
    Nuisance{"by_a_byte_out_of_band",
             [](RawRing& ring) { ring.peer.send(RawPeer::Bytes(1), MSG_OOB); }},
    Nuisance{"by_a_doorbell_that_is_gone", [](RawRing& ring) { ring.bell.reset(); }},
    Nuisance{"by_a_doorbell_that_is_full",
             [](RawRing& ring) {
               for (int i = 0; i < 100'000; ++i) ring.bell->ring();
             }},
    Nuisance{"by_answers_that_are_not_read", [](RawRing& ring) { call(ring, 60'000, 6); }},
    Nuisance{"by_a_revocation_in_memory_alone",
             [](RawRing& ring) {
               ring.memory->words().sleep = ring::ring_revoked;
               call(ring, 10, 3);
             }},
    Nuisance{"by_half_a_frame_in_the_ring",
             [](RawRing& ring) {
               auto frame = RawPeer::call(2, 0, "echo", std::string(1000, 'x'));
               frame.resize(500);
               ring.write(frame);
             }},
    Nuisance{"by_a_client_that_reads_nothing_more",
             [](RawRing& ring) {
               ::shutdown(ring.peer.fd(), SHUT_RD);
               call(ring, 60'000, 6);
             }},
    Nuisance{"by_calls_behind_answers_that_are_not_read", [](RawRing& ring) {
               // So fast that it learns to look for them.
               for (std::uint16_t i = 0; i < 100; ++i) {
                 ring.write(RawPeer::call(i + 2u, 0, "echo", "x"));
                 const auto patient = std::chrono::steady_clock::now() + patience;
                 while (!ring.end->is_readable() && std::chrono::steady_clock::now() < patient) {
                 }
                 EXPECT_TRUE(ring.read());
               }
               ring.write(RawPeer::call(102, 100, "essay"));
               for (std::uint16_t i = 0; i < 4; ++i) {
                 ring.write(RawPeer::call(103u + i, 101u + i, "echo", std::string(60'000, 'x')));
               }
             }});
const auto name_of_nuisance = [](const auto& one) { return std::string(one.param.name); };
INSTANTIATE_TEST_SUITE_P(, Bothered, nuisances, name_of_nuisance);
INSTANTIATE_TEST_SUITE_P(, BotheredWhenLooking, nuisances, name_of_nuisance);

/// The kernel has too many descriptors of the server's user under way.
class SendsFail : public Calls {
 public:
  int before(os::Call call, std::size_t* length) override {
    (void)Calls::before(call, length);
    return call == os::Call::send ? ETOOMANYREFS : 0;
  }
};

TEST(AServerThatCannotPassADescriptor, RestsBetweenItsAttempts) {
  RunningServer server(ServerOptions{.waiting = Waiting::block, .ring_idle = 1h});
  server->on("echo", [](Request request) { request.reply(); });
  server->on("descriptor", [](Request request) {
    std::vector<Descriptor> descriptors;
    descriptors.emplace_back(::dup(0));
    request.reply({}, std::move(descriptors));
  });
  server.run();
  ClientOptions options = that_sleeps();
  options.descriptors_max = 1;
  Client client = server.connect(options);
  ASSERT_TRUE(reach_ring(client));
  SendsFail calls;
  const Installed installed(calls);
  EXPECT_FALSE(client.call("descriptor", "", in_vain));
  EXPECT_LT(calls.count, kernel_calls_max) << "it spins";
}

}  // namespace
}  // namespace tincan::test

#endif
