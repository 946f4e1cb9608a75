#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "simulation/peer.h"
#include "support/rounds.h"

namespace tincan::simulation {
namespace {

/// Two processes in one universe.
class World {
 public:
  explicit World(std::uint64_t seed)
      : universe_(seed), client_(universe_, 0), server_(universe_, 1) {}

  void run() {
    const std::size_t steps = 200 + universe_.random.below(600);
    for (std::size_t i = 0; i < steps && universe_.violations.empty(); ++i) step();
    // Faults stop. Everything must come to its end, and soon.
    universe_.kills = universe_.drains = universe_.gives_up = false;
    universe_.weather = {.capacity = 200'000, .short_once_in = SIZE_MAX, .again_once_in = SIZE_MAX};
    for (int round = 0; round < 10'000 && !is_finished(); ++round) step_calmly();
    universe_.expect(is_finished(), "calls that never end");
    check(client_, server_);
    check(server_, client_);
  }

  [[nodiscard]] const std::vector<std::string>& violations() const { return universe_.violations; }

 private:
  [[nodiscard]] bool is_finished() const { return client_.is_finished() && server_.is_finished(); }

  /// A new connection once both ends know that the old one is over.
  void connect() {
    if (client_.is_connected() || server_.is_connected()) return;
    connection_ = std::make_unique<Connection>();
    drained_ = false;
    client_.connect(*connection_);
    server_.connect(*connection_);
  }

  void step() {
    connect();
    Random& random = universe_.random;
    universe_.now = universe_.now + std::chrono::microseconds(random.below(20));
    Peer& peer = random.once_in(2) ? client_ : server_;
    switch (random.below(8)) {
      case 0:
      case 1:
        peer.read();
        break;
      case 2:
      case 3:
        peer.write();
        break;
      case 4:
        peer.start_a_job();
        break;
      case 5:
        peer.answer_one();
        break;
      case 6:
        if (universe_.gives_up && random.once_in(4)) peer.give_up_one();
        break;
      case 7:
        cause_trouble(peer);
        break;
    }
  }

  void cause_trouble(Peer& peer) {
    if (!peer.is_connected()) return;
    if (universe_.kills && universe_.random.once_in(10)) return peer.die();
    if (universe_.drains && universe_.random.once_in(20)) drain(server_);
  }

  void drain(Peer& peer) {
    if (!peer.is_connected() || drained_) return;
    drained_ = true;
    peer.drain();
  }

  void step_calmly() {
    connect();
    bool busy = false;
    for (Peer* const peer : {&client_, &server_}) {
      busy |= peer->start_a_job();
      busy |= peer->write();
      busy |= peer->read();
      busy |= peer->answer_one();
    }
    // Nothing more can happen on a connection that drains or lost a side: its successor goes on.
    if (!busy && drained_ && server_.is_connected()) server_.die();
  }

  /// The contract of promise 1 between those who call and the ledger of those who run.
  void check(const Peer& caller, const Peer& runner) {
    for (const Job& job : caller.jobs) {
      const std::size_t runs = runner.ran.count(job.number);
      const std::string name = "job " + job.method + " ";
      universe_.expect(runs <= 1, name + "ran twice");
      if (job.state == Job::State::replied || job.state == Job::State::declared) {
        universe_.expect(runs == 1, name + "was answered and did not run");
      }
      if (job.state == Job::State::not_sent) universe_.expect(runs == 0, name + "ran, not sent");
      universe_.expect(job.is_over(), name + "has no outcome");
    }
  }

  Universe universe_;
  std::unique_ptr<Connection> connection_;
  bool drained_ = false;
  Peer client_;
  Peer server_;
};

void expect_a_good_end(std::uint64_t seed) {
  World world(seed);
  world.run();
  for (const std::string& violation : world.violations()) {
    ADD_FAILURE() << violation << "\nagain with TINCAN_SEED=" << seed;
  }
}

/// With TINCAN_SEED only that universe; TINCAN_SEEDS says how many otherwise.
TEST(Simulation, KeepsTheContractInEveryUniverse) {
  if (const char* const seed = std::getenv("TINCAN_SEED"))
    return expect_a_good_end(std::stoull(seed));
  const char* const wanted = std::getenv("TINCAN_SEEDS");
  const std::uint64_t count =
      wanted != nullptr ? std::stoull(wanted) : static_cast<std::uint64_t>(test::rounds(500, 3000));
  for (std::uint64_t seed = 0; seed < count && !::testing::Test::HasFailure(); ++seed) {
    expect_a_good_end(seed);
  }
}

TEST(Simulation, IsTheSameForTheSameSeed) {
  const auto trace = [](std::uint64_t seed) {
    Universe universe(seed);
    std::vector<std::size_t> drawn;
    for (int i = 0; i < 100; ++i) drawn.push_back(universe.random.below(1'000'000));
    return drawn;
  };
  EXPECT_EQ(trace(7), trace(7));
  EXPECT_NE(trace(7), trace(8));
}

}  // namespace
}  // namespace tincan::simulation
