// Clients that go to a ring in ways in which no client of ours does.

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <functional>

#include "system/raw_ring.h"
#include "system/ring_client.h"

namespace tincan::test {
namespace {

using Step = RawRing::Step;

struct Misstep {
  const char* name;
  std::function<void(RawRing&)> go;
};

class RingMissteps : public LastingRings, public ::testing::WithParamInterface<Misstep> {};

TEST_P(RingMissteps, EndThatConnectionAndNoOther) {
  server_.run();
  Client bystander = server_.connect(eager());
  ASSERT_TRUE(reach_ring(bystander));
  RawRing ring(server_.path());
  GetParam().go(ring);
  EXPECT_TRUE(ring.peer.is_closed());
  EXPECT_EQ(reply_to(bystander, "goes on"), "goes on");
  EXPECT_GT(bystander.ring_bytes(), 0u);
  EXPECT_TRUE(eventually([&] { return server_->counts().rings == 1; }));
  EXPECT_EQ(server_->counts().breaches, 1u);
}

void ask(RawRing& ring) {
  ring.say(Step::ask);
  EXPECT_EQ(ring.hear().step, Step::grant);
}

INSTANTIATE_TEST_SUITE_P(
    , RingMissteps,
    ::testing::Values(
        Misstep{"grant_from_a_client", [](RawRing& ring) { ring.say(Step::grant); }},
        Misstep{"accept_from_a_client", [](RawRing& ring) { ring.say(Step::accept); }},
        Misstep{"offer_without_a_grant", [](RawRing& ring) { ring.say(Step::offer); }},
        Misstep{"move_without_a_ring", [](RawRing& ring) { ring.say(Step::moved); }},
        Misstep{"refusal_of_nothing", [](RawRing& ring) { ring.say(Step::refuse); }},
        Misstep{"second_wish", [](RawRing& ring) { ask(ring), ring.say(Step::ask); }},
        Misstep{"offer_under_another_number",
                [](RawRing& ring) { ask(ring), ring.say(Step::offer, 2); }},
        Misstep{"offer_of_another_size",
                [](RawRing& ring) { ask(ring), ring.say(Step::offer, 1, 2 * RawRing::capacity); }},
        Misstep{"offer_without_a_size",
                [](RawRing& ring) { ask(ring), ring.say(Step::offer, 1, 0); }},
        Misstep{"offer_after_a_refusal_of_ours",
                [](RawRing& ring) { ask(ring), ring.say(Step::refuse), ring.say(Step::offer); }},
        Misstep{"move_before_the_acceptance",
                [](RawRing& ring) { ask(ring), ring.say(Step::moved); }},
        Misstep{"second_offer", [](RawRing& ring) { ring.agree(), ring.say(Step::offer); }},
        Misstep{"refusal_after_the_acceptance",
                [](RawRing& ring) { ring.agree(), ring.say(Step::refuse); }},
        Misstep{"wish_while_there_is_a_ring",
                [](RawRing& ring) { ring.agree(), ring.say(Step::ask, 2); }},
        Misstep{"offer_with_too_few_descriptors",
                [](RawRing& ring) {
                  ask(ring);
                  ring.say_with(Step::offer, 1, RawRing::capacity,
                                {ring.kept.to_server.get(), ring.kept.to_client.get()});
                }},
        Misstep{"offer_with_too_many_descriptors",
                [](RawRing& ring) {
                  ask(ring);
                  ring.say_with(Step::offer, 1, RawRing::capacity,
                                {ring.kept.to_server.get(), ring.kept.to_client.get(), 0, 0});
                }},
        Misstep{"move_without_its_descriptor",
                [](RawRing& ring) { ring.agree(), ring.say_with(Step::moved, 1, 0, {}); }},
        Misstep{"second_move_beside_the_ring",
                [](RawRing& ring) { ring.reach(), ring.say(Step::moved); }},
        Misstep{"call_behind_the_move",
                [](RawRing& ring) { ring.reach(), ring.peer.send(RawPeer::call(1, 0, "echo")); }},
        Misstep{"second_move_in_the_ring",
                [](RawRing& ring) {
                  ring.reach();
                  RawPeer::Bytes frame(wire::encoded_upgrade_bytes_max);
                  frame.resize(wire::encode_upgrade(
                      1, {.step = Step::moved, .capacity_bytes = 0, .reason = {}}, frame.data()));
                  ring.write(frame);
                }}),
    [](const auto& one) { return std::string(one.param.name); });

/// What a client may send in place of one of the three.
struct Mismatch {
  const char* name;
  std::size_t place;
  Descriptor (*make)();
};

Descriptor file_with(unsigned seals, std::size_t bytes, bool sparse = false) {
  Descriptor file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto size = static_cast<off_t>(bytes);
  EXPECT_EQ(sparse ? ::ftruncate(file.get(), size) : ::fallocate(file.get(), 0, 0, size), 0);
  EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, seals), 0);
  return file;
}

constexpr unsigned seals_of_size = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr unsigned seals_of_ours = seals_of_size | F_SEAL_FUTURE_WRITE;
constexpr std::size_t file_bytes = transport::memory_bytes(RawRing::capacity);

class RingMismatches : public Rings, public ::testing::WithParamInterface<Mismatch> {};

TEST_P(RingMismatches, AreRefusedAndTheConnectionGoesOn) {
  server_.run();
  RawRing ring(server_.path());
  ask(ring);
  const Descriptor wrong = GetParam().make();
  std::vector<int> sent = {ring.kept.to_server.get(), ring.kept.to_client.get(),
                           ring.bell->listening_end()};
  sent[GetParam().place] = wrong.get();
  ring.say_with(Step::offer, 1, RawRing::capacity, sent);
  const auto answer = ring.hear();
  EXPECT_EQ(answer.step, Step::refuse);
  EXPECT_FALSE(answer.reason.empty());
  EXPECT_EQ(server_->counts().rings, 0u);
  ring.peer.send(RawPeer::call(1, 0, "echo", "on the socket"));
  const auto reply = ring.peer.read(wire::Kind::reply);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->payload(), "on the socket");
  ASSERT_TRUE(ring.reach(2));
  EXPECT_EQ(ring.echo(2, "in a ring"), "in a ring");
}

INSTANTIATE_TEST_SUITE_P(
    , RingMismatches,
    ::testing::Values(
        Mismatch{"not_sealed", 0, [] { return file_with(0, file_bytes); }},
        Mismatch{"sealed_in_size_alone", 0, [] { return file_with(seals_of_size, file_bytes); }},
        Mismatch{"too_short", 0, [] { return file_with(seals_of_ours, file_bytes - 4096); }},
        Mismatch{"with_holes", 0, [] { return file_with(seals_of_ours, file_bytes, true); }},
        Mismatch{"no_memory", 0, [] { return Descriptor(::open("/dev/zero", O_RDWR)); }},
        Mismatch{"ours_not_sealed", 1, [] { return file_with(0, file_bytes); }},
        Mismatch{"ours_sealed_against_us", 1, [] { return file_with(seals_of_ours, file_bytes); }},
        Mismatch{"ours_with_holes", 1, [] { return file_with(seals_of_size, file_bytes, true); }},
        Mismatch{"ours_a_socket", 1,
                 [] { return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }},
        Mismatch{"doorbell_that_counts", 2,
                 [] { return Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }},
        Mismatch{"doorbell_on_disk", 2,
                 [] { return Descriptor(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)); }},
        Mismatch{"doorbell_by_path_alone", 2,
                 [] { return Descriptor(::open("/tmp", O_PATH | O_CLOEXEC)); }},
        Mismatch{"doorbell_by_its_other_end", 2,
                 [] {
                   int ends[2];
                   EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
                   const Descriptor read(ends[0]);
                   return Descriptor(ends[1]);
                 }}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(Rings, MayBeDeclinedByTheClientAndAskedForAgain) {
  server_.run();
  RawRing ring(server_.path());
  for (std::uint64_t id = 1; id < 5; ++id) {
    ring.say(Step::ask, id);
    ASSERT_EQ(ring.hear().step, Step::grant);
    ring.say(Step::refuse, id);
  }
  ASSERT_TRUE(ring.reach(5));
  EXPECT_EQ(ring.echo(1, "after all"), "after all");
}

TEST_F(Rings, AreGrantedInTheSizesThatThereAre) {
  server_.run();
  RawRing ring(server_.path());
  const std::pair<std::uint64_t, std::uint64_t> wishes[] = {
      {0, ring::capacity_bytes_min},
      {ring::capacity_bytes_min + 1, ring::capacity_bytes_min},
      {2 * ring::capacity_bytes_min, 2 * ring::capacity_bytes_min},
      {UINT64_MAX, ring::capacity_bytes_max}};
  std::uint64_t id = 0;
  for (const auto& [wish, granted] : wishes) {
    ring.say(Step::ask, ++id, wish);
    const auto answer = ring.hear();
    EXPECT_EQ(answer.step, Step::grant);
    EXPECT_EQ(answer.capacity_bytes, granted) << wish;
    ring.say(Step::refuse, id);
  }
}

class RareRings : public Rings {
 protected:
  RareRings() : Rings(ServerOptions{.ring_grants_per_second = 3}) {}
};

TEST_F(RareRings, AreRefusedToAFloodOfWishesAndGrantedLater) {
  server_.run();
  RawRing ring(server_.path());
  std::uint64_t refused = 0;
  std::uint64_t id = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 500; ++i) {
    ring.say(Step::ask, ++id);
    const auto answer = ring.hear();
    ASSERT_TRUE(answer.step == Step::grant || answer.step == Step::refuse);
    if (answer.step == Step::grant) ring.say(Step::refuse, id);
    refused += answer.step == Step::refuse;
  }
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - start).count();
  EXPECT_GE(refused, 500u - 3u * static_cast<std::uint64_t>(seconds + 1));
  EXPECT_TRUE(eventually([&] {
    ring.say(Step::ask, ++id);
    return ring.hear().step == Step::grant;
  }));
}

}  // namespace
}  // namespace tincan::test
