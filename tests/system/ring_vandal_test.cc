// Processes that write random words over the shared memory of their rings while they use it: it
// costs their own connections, and nothing else (promise 14, attacks 34 to 42).

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "support/process.h"
#include "support/rounds.h"
#include "system/raw_ring.h"
#include "system/ring_client.h"
#include "system/scribbler.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

/// Of a memory file, to be written wherever that is allowed.
class WritableMapping {
 public:
  explicit WritableMapping(const Descriptor& file)
      : bytes_(transport::memory_bytes(RawRing::capacity)),
        place_(::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0)) {}
  WritableMapping(const WritableMapping&) = delete;
  ~WritableMapping() {
    if (place_ != MAP_FAILED) ::munmap(place_, bytes_);
  }
  [[nodiscard]] std::span<std::byte> bytes() const {
    if (place_ == MAP_FAILED) return {};
    return {static_cast<std::byte*>(place_), bytes_};
  }

 private:
  std::size_t bytes_;
  void* place_;
};

/// A client that sends call after call through its ring, without a look at what is answered.
class VandalClient {
 public:
  VandalClient(const std::string& path, std::uint64_t number) : random_(number), ring_(path) {
    for (std::size_t i = 0; i < batch; ++i) {
      const bool is_answered = i + 1 == batch;
      starts_.push_back(calls_.size());
      const std::string payload(random_() % 100, 'v');
      const char* const answered = number % 4 == 0 ? "much" : "echo";
      const auto call = RawPeer::call(0, 0, is_answered ? answered : "note", payload,
                                      is_answered ? 0 : std::uint8_t{wire::flag_one_way});
      calls_.insert(calls_.end(), call.begin(), call.end());
    }
  }

  /// Until the server closes, or will not go on; or so many calls were made.
  void run(Manner manner, std::uint64_t calls_max) {
    if (!ring_.reach()) return;
    const WritableMapping others(ring_.kept.to_client);
    // Some of its calls are right: the memory is used when it goes wrong.
    const std::uint64_t from = random_() % (calls_max / 2);
    const Scribbler scribbler({manner, own_memory(), others.bytes(), random_()}, made_, from);
    Scribbles scribbles(manner, own_memory(), others.bytes(), random_());
    while (made_ < calls_max && write_calls()) {
      if (made_ > from) scribbles.next();
    }
  }

 private:
  std::span<std::byte> own_memory() {
    return {reinterpret_cast<std::byte*>(&ring_.memory->words()),
            transport::memory_bytes(RawRing::capacity)};
  }
  /// Some, of which one wants an answer. False: there is no room and will be none.
  bool write_calls() {
    for (std::size_t i = 0; i < starts_.size(); ++i, ++made_) {
      const auto slot = static_cast<std::uint16_t>(made_ / batch % 1000);
      const wire::CallId id{.slot = i + 1 == batch ? slot : wire::CallId::no_slot,
                            .sequence = made_ + 1};
      const std::uint64_t value = id.value();
      std::memcpy(calls_.data() + starts_[i] + offsetof(wire::FrameHeader, id), &value,
                  sizeof value);
    }
    const auto give_up = std::chrono::steady_clock::now() + 10ms;
    for (std::span<const std::byte> rest = calls_; !rest.empty();) {
      rest = rest.subspan(ring_.end->write(rest));
      if (ring_.end->publish()) ring_.ring();
      // Whatever was answered has been read, it says.
      ring_.memory->words().consumed = ring_.memory->peer_words().produced.load();
      if (rest.empty()) break;
      ring_.ring();
      if (std::chrono::steady_clock::now() > give_up || is_closed()) return false;
      ::poll(nullptr, 0, 0);
    }
    return made_ % 4096 != 0 || !is_closed();
  }
  [[nodiscard]] bool is_closed() const {
    pollfd ended{ring_.peer.fd(), POLLRDHUP, 0};
    return ::poll(&ended, 1, 0) == 1;
  }

  static constexpr std::size_t batch = 16;

  std::mt19937_64 random_;
  RawRing ring_;
  RawPeer::Bytes calls_;
  std::vector<std::size_t> starts_;
  std::atomic<std::uint64_t> made_ = 0;
};

int vandalize(const std::string& path, Manner manner) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The longer, the more of the long count is not spent on connecting.
  const auto uses = static_cast<std::uint64_t>(rounds(2'000, 10'000));
  for (std::uint64_t number = 0;; ++number) {
    VandalClient(path, number).run(manner, uses);
  }
}

constexpr int calls_usual = 20'000 / thread_sanitizer_slowness;
/// Under ThreadSanitizer no more than the time limit allows.
constexpr int calls_in_long = thread_sanitizer_slowness > 1 ? 40'000 : 2'000'000;

class VandalizedRings : public Rings, public ::testing::WithParamInterface<Manner> {
 protected:
  VandalizedRings() : Rings(ServerOptions{.ring_grants_per_second = 1'000'000, .ring_idle = 1h}) {
    server_->on("note", [this](const Request&) { ++calls_; });
    // More than the ring holds.
    server_->on("much", [](Request request) { request.reply(std::string(400'000, 'm')); });
  }
  /// Whether the vandal has made so many calls, and was caught at it if it can be.
  bool is_enough(std::uint64_t calls) {
    return calls_ >= calls && (GetParam() == Manner::hints || server_->counts().breaches > 0);
  }
  std::atomic<std::uint64_t> calls_ = 0;
};

TEST_P(VandalizedRings, CostTheirOwnConnectionsAndNothingElse) {
  auto vandal = Process::fork([&] { return vandalize(server_.path(), GetParam()); });
  server_.run();
  Client bystander = server_.connect(eager());
  ASSERT_TRUE(reach_ring(bystander));
  const auto wanted = static_cast<std::uint64_t>(rounds(calls_usual, calls_in_long));
  const auto deadline = std::chrono::steady_clock::now() + 110s;
  for (std::uint64_t served = 0; !is_enough(wanted); ++served) {
    const std::string text = std::to_string(served) + std::string(served % 3000, 'b');
    ASSERT_EQ(reply_to(bystander, text), text) << "after " << served;
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << calls_;
  }
  EXPECT_EQ(bystander.reconnects(), 0u);
  EXPECT_GT(bystander.ring_bytes(), 0u);
  EXPECT_TRUE(vandal.running()) << vandal.output();
  vandal.kill();
  ASSERT_TRUE(vandal.wait());
  EXPECT_TRUE(eventually([&] { return server_->counts().connections == 1; }));
  EXPECT_EQ(server_->counts().rings, 1u);
  // What is believed in nothing breaks nothing.
  EXPECT_EQ(server_->counts().breaches == 0, GetParam() == Manner::hints);
}

INSTANTIATE_TEST_SUITE_P(Over, VandalizedRings, ::testing::ValuesIn(manners),
                         [](const auto& one) { return std::string(name_of(one.param)); });

}  // namespace
}  // namespace tincan::test
