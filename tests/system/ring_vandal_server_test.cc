// A server that writes random words over the shared memory of its client's rings while it answers:
// each call of the client ends, and so does the client in the end (promises 1, 3 and 14).

#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <thread>

#include "os/doorbell.h"
#include "support/process.h"
#include "support/rounds.h"
#include "system/polling.h"
#include "system/raw_server.h"
#include "system/ring_client.h"
#include "system/scribbler.h"
#include "system/server_process.h"
#include "transport/ring_memory.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;
using Step = wire::Upgrade::Step;

/// One connection of it: it agrees on a ring, and then answers what it finds there.
class VandalServer {
 public:
  VandalServer(Descriptor socket, std::uint64_t number)
      : random_(number), peer_(std::move(socket)) {
    peer_.greet(0, wire::ability_ring);
  }

  void run(Manner manner, std::uint64_t answers_max) {
    if (!reach()) return;
    const std::span<std::byte> own{reinterpret_cast<std::byte*>(&memory_->words()),
                                   transport::memory_bytes(memory_->capacity_bytes())};
    const std::uint64_t from = random_() % (answers_max / 2);
    const Scribbler scribbler({manner, own, {}, random_()}, answered_, from);
    Scribbles scribbles(manner, own, {}, random_());
    while (answered_ < answers_max && answer_calls()) {
      if (answered_ > from) scribbles.next();
    }
  }

 private:
  bool say(Step step, std::uint64_t bytes = 0, const std::vector<int>& descriptors = {}) {
    RawPeer::Bytes frame(wire::encoded_upgrade_bytes_max);
    const wire::Upgrade upgrade{.step = step, .capacity_bytes = bytes, .reason = {}};
    frame.resize(wire::encode_upgrade(1, upgrade, frame.data()));
    return descriptors.empty() ? peer_.send(frame) : peer_.send_with(frame, descriptors);
  }
  /// Answers on the socket until the client says `step`; and in the ring, once that is there.
  bool serve_until(Step step) {
    while (const auto frame = peer_.read()) {
      if (frame->header.kind == wire::Kind::call) {
        const auto reply = answer_to(frame->header.id);
        if (end_) {
          write(reply);
        } else {
          peer_.send(reply);
        }
      }
      if (frame->header.kind != wire::Kind::upgrade) continue;
      const auto upgrade = wire::decode_upgrade(frame->body);
      if (upgrade->capacity_bytes > 0) capacity_ = upgrade->capacity_bytes;
      return upgrade->step == step;
    }
    return false;
  }
  bool reach() {
    if (!serve_until(Step::ask) || !say(Step::grant, capacity_)) return false;
    if (!serve_until(Step::offer)) return false;
    auto& given = peer_.descriptors();
    auto taken = transport::RingMemory::take({std::move(given[0]), std::move(given[1])}, capacity_);
    if (!taken) return false;
    memory_ = std::move(*taken);
    end_.emplace(memory_->end());
    return say(Step::accept, 0, {bell_.listening_end()}) && serve_until(Step::moved);
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty() && end_->has_room()) {
      bytes = bytes.subspan(end_->write(bytes));
      [[maybe_unused]] const bool sleeps = end_->publish();
    }
  }
  /// Of each call its payload. False: the client has closed, or says nothing more.
  bool answer_calls() {
    const auto give_up = std::chrono::steady_clock::now() + 10ms;
    while (!end_->is_readable()) {
      if (std::chrono::steady_clock::now() > give_up || is_closed()) return false;
      bell_.ring();
      ::poll(nullptr, 0, 0);
    }
    std::byte piece[65536];
    const std::size_t count = end_->read(piece);
    (void)end_->release();
    input_.insert(input_.end(), piece, piece + count);
    std::span<const std::byte> rest = input_;
    for (auto parsed = wire::parse_frame(rest); parsed.state == wire::Parsed::State::whole;
         parsed = wire::parse_frame(rest)) {
      const auto size = sizeof(wire::FrameHeader) + parsed.frame.body.size();
      write(answer_to(parsed.frame.header.id, std::string(random_() % 100, 'v')));
      ++answered_;
      rest = rest.subspan(size);
    }
    input_.erase(input_.begin(), input_.end() - static_cast<std::ptrdiff_t>(rest.size()));
    bell_.ring();
    return !end_->is_breached();
  }
  [[nodiscard]] bool is_closed() const {
    pollfd ended{peer_.fd(), POLLRDHUP, 0};
    return ::poll(&ended, 1, 0) == 1;
  }

  std::mt19937_64 random_;
  RawPeer peer_;
  std::uint64_t capacity_ = 0;
  std::optional<transport::RingMemory> memory_;
  std::optional<ring::End> end_;
  os::Doorbell bell_ = *os::Doorbell::create();
  RawPeer::Bytes input_;
  std::atomic<std::uint64_t> answered_ = 0;
};

int serve_badly(const std::string& path, Manner manner) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const Descriptor listener = raw_listener(path, 64);
  std::printf("ready\n");
  std::fflush(stdout);
  // The longer, the more of the long count is not spent on connecting.
  const auto uses = static_cast<std::uint64_t>(rounds(2'000, 10'000));
  for (std::uint64_t number = 0;; ++number) {
    Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    VandalServer(std::move(socket), number).run(manner, uses);
  }
}

/// Calls, waiting for each until there is a ring, and then with many in flight. False: they do not
/// all end.
class CallerOfAVandal {
 public:
  explicit CallerOfAVandal(const std::string& path)
      : client_(or_exit(Client::connect(path, eager()))) {}

  void call_for_ring() {
    for (int i = 0; i < 4 && client_.ring_bytes() == 0; ++i) {
      note(client_.call("echo", "blocking", in_time));
    }
  }
  bool call_many() {
    std::size_t in_flight = 0;
    for (; in_flight < 200; ++in_flight) {
      const auto done = [this, &in_flight](const Result<Reply>& reply) {
        note(reply), --in_flight;
      };
      const std::string text(in_flight, 'c');
      if (!client_.submit("echo", bytes_of(text), done, in_time)) return false;
    }
    return process_until(client_, [&] { return in_flight == 0; });
  }
  std::uint64_t replies = 0;
  std::uint64_t failures = 0;

 private:
  static constexpr CallOptions in_time{.deadline = 100ms};

  void note(const Result<Reply>& reply) { ++(reply ? replies : failures); }

  Client client_;
};

class RingsOfVandals : public ::testing::TestWithParam<Manner> {};

TEST_P(RingsOfVandals, HangAndHarmNoClient) {
  const TemporaryDirectory directory;
  auto vandal = Process::fork([&] { return serve_badly(directory / "vandal", GetParam()); });
  auto honest = start_server(directory / "honest", [](Server& server) {
    server.on("echo", [](Request request) { request.reply(request.payload()); });
  });
  ASSERT_TRUE(vandal.wait_for_output("ready"));
  std::atomic<bool> ends = false;
  std::thread bystander([&] {
    Client client = or_exit(Client::connect(directory / "honest", eager()));
    while (!ends) EXPECT_EQ(reply_to(client, "goes on"), "goes on");
    EXPECT_EQ(client.reconnects(), 0u);
  });
  CallerOfAVandal caller(directory / "vandal");
  const auto wanted =
      static_cast<std::uint64_t>(rounds(20'000, 600'000) / thread_sanitizer_slowness);
  const bool may_do_harm = GetParam() != Manner::hints;
  while (caller.replies < wanted || (may_do_harm && caller.failures == 0)) {
    caller.call_for_ring();
    EXPECT_TRUE(caller.call_many()) << "calls have not ended";
    EXPECT_TRUE(vandal.running()) << vandal.output();
    if (HasFailure()) break;
  }
  ends = true;
  bystander.join();
}

INSTANTIATE_TEST_SUITE_P(Over, RingsOfVandals, ::testing::ValuesIn(manners),
                         [](const auto& one) { return std::string(name_of(one.param)); });

}  // namespace
}  // namespace tincan::test
