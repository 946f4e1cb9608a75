// Messages with a number and a checksum, of all sizes, through a server and a client whose
// connection moves to a ring and back all the time: each comes once, whole and in order (promise
// 2).

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <random>
#include <thread>

#include "support/rounds.h"
#include "support/seam.h"
#include "system/ring_client.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t slowness = thread_sanitizer_slowness;

/// What stands before the bytes of each message.
struct Label {
  std::uint64_t stream = 0;
  std::uint64_t number = 0;  ///< In its stream, from 1.
  std::uint64_t checksum = 0;
};

/// Of the bytes and of where they belong. Each bit of them changes it.
std::uint64_t checksum_of(std::span<const std::byte> bytes, const Label& label) {
  std::uint64_t sum = label.stream * 0x9E3779B97F4A7C15 ^ label.number;
  const auto add = [&sum](std::uint64_t word) {
    sum = (sum ^ word) * 0xD6E8FEB86659FD93;
    sum ^= sum >> 32;
  };
  add(bytes.size());
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    add(word);
  }
  for (const std::byte byte : bytes) add(static_cast<std::uint64_t>(byte));
  return sum;
}

/// Makes the messages of one stream in one direction.
class Writer {
 public:
  explicit Writer(std::uint64_t stream) : random_(stream), noise_(2 * bytes_max / 8) {
    label_.stream = stream;
    std::ranges::generate(noise_, std::ref(random_));
  }
  const std::vector<std::byte>& next() {
    const std::size_t bytes = size();
    const auto from = std::as_bytes(std::span(noise_)).subspan(random_() % bytes_max, bytes);
    ++label_.number;
    label_.checksum = checksum_of(from, label_);
    message_.resize(sizeof label_ + bytes);
    std::memcpy(message_.data(), &label_, sizeof label_);
    std::memcpy(message_.data() + sizeof label_, from.data(), from.size());
    return message_;
  }

 private:
  static constexpr std::size_t bytes_max = 1 << 20;
  std::size_t size() {
    const std::uint64_t dice = random_() % 4096;
    if (dice == 0) return random_() % (bytes_max + 1);
    if (dice < 10) return random_() % 100'000;
    if (dice < 200) return random_() % 5000;
    return random_() % 100;
  }

  std::mt19937_64 random_;
  std::vector<std::uint64_t> noise_;
  Label label_;
  std::vector<std::byte> message_;
};

/// Reads those of one stream in one direction.
class Reader {
 public:
  /// Whether it is the next one, as it was made.
  bool take(std::span<const std::byte> message) {
    Label label;
    if (message.size() < sizeof label) return false;
    std::memcpy(&label, message.data(), sizeof label);
    return label.number == ++taken_ &&
           label.checksum == checksum_of(message.subspan(sizeof label), label);
  }
  [[nodiscard]] std::uint64_t taken() const { return taken_; }

 private:
  std::uint64_t taken_ = 0;
};

std::uint64_t stream_of(std::span<const std::byte> message) {
  Label label;
  std::memcpy(&label, message.data(), std::min(sizeof label, message.size()));
  return label.stream;
}

class RingMessages : public Rings {
 protected:
  static constexpr std::size_t streams = 2;

  RingMessages() : Rings(ServerOptions{.ring_grants_per_second = 1'000'000, .ring_idle = 1ms}) {
    server_->on("send", [this](const Request& request) { take(request); });
    server_->on("call", [this](Request request) {
      const std::size_t stream = take(request);
      request.reply(answers_[stream].next());
    });
  }
  std::size_t take(const Request& request) {
    const std::size_t stream = stream_of(request.payload()) % streams;
    wrong_ += !requests_[stream].take(request.payload());
    ++messages_;
    return stream;
  }
  /// One way, mostly; and now and then with an answer.
  void send_some(Client& client, std::size_t stream) {
    for (int i = 0; i < 100; ++i) {
      if (stream == 0) look_where_it_is(client);
      const auto& message = writers_[stream].next();
      if (i % 5 != 0) {
        wrong_ += !client.send("send", message, {.deadline = patience});
        continue;
      }
      const auto reply = client.call("call", message, {.deadline = patience});
      wrong_ += !reply || !replies_[stream].take(reply->payload());
      ++messages_;
    }
  }
  void look_where_it_is(const Client& client) {
    const bool is_in_ring = client.ring_bytes() > 0;
    moves_ += std::exchange(was_in_ring_, is_in_ring) != is_in_ring;
  }
  /// Until the ring has just been taken back; or not so long: then what comes next meets that half
  /// way, or finds the ring in use.
  void lie_idle(std::chrono::nanoseconds longest) {
    const auto end = std::chrono::steady_clock::now() + longest;
    while (server_->counts().rings > 0 && std::chrono::steady_clock::now() < end) {
    }
  }
  /// From two threads over one connection, which move together: until so many have come, and the
  /// connection has moved so often.
  void exchange(Client& client, std::uint64_t wanted, std::uint64_t moves_min) {
    std::mt19937_64 random(1);
    std::barrier rest(2);
    const auto deadline = std::chrono::steady_clock::now() + 110s;
    bool enough = false;
    std::thread other([&] {
      while (!enough) {
        send_some(client, 1);
        rest.arrive_and_wait();
        rest.arrive_and_wait();
      }
    });
    while (!enough) {
      send_some(client, 0);
      rest.arrive_and_wait();
      lie_idle(std::chrono::microseconds(random() % 2500));
      enough = (messages_ >= wanted && moves_ >= moves_min) || wrong_ > 0 ||
               std::chrono::steady_clock::now() > deadline;
      rest.arrive_and_wait();
    }
    other.join();
    EXPECT_GE(messages_, wanted) << "have come in time";
    EXPECT_GE(moves_, moves_min) << "it stays where it is: this test shows nothing";
  }
  void expect_all_have_come(Client& client) {
    EXPECT_EQ(wrong_, 0u);
    EXPECT_EQ(client.reconnects(), 0u);
    EXPECT_EQ(reply_to(client, "all that was sent before"), "all that was sent before");
    server_.end();
    for (std::size_t i = 0; i < streams; ++i) {
      Label next;
      std::memcpy(&next, writers_[i].next().data(), sizeof next);
      EXPECT_EQ(requests_[i].taken(), next.number - 1) << "are not all that were sent";
    }
  }

  std::uint64_t moves_ = 0;
  bool was_in_ring_ = false;
  std::array<Writer, streams> writers_{Writer(0), Writer(1)};
  std::array<Reader, streams> requests_;
  std::array<Writer, streams> answers_{Writer(0), Writer(1)};
  std::array<Reader, streams> replies_;
  std::atomic<std::uint64_t> messages_ = 0;
  std::atomic<std::uint64_t> wrong_ = 0;
};

TEST_F(RingMessages, ComeOnceWholeAndInOrderWhileTheConnectionMoves) {
  server_.run();
  Client client = server_.connect(eager());
  exchange(client, static_cast<std::uint64_t>(rounds(300'000, 3'000'000)) / slowness, 40);
  expect_all_have_come(client);
}

#ifdef TINCAN_SEAM

/// Holds the server up before it writes to a socket or rings, now and then.
class HeldUp : public os::Seam {
 public:
  int before(os::Call call, std::size_t*) override {
    if (serves && (call == os::Call::write || call == os::Call::send)) {
      ::poll(nullptr, 0, ++times_ % 2);
    }
    return 0;
  }
  /// On the thread of the server.
  static inline thread_local bool serves = false;

 private:
  int times_ = 0;
};

// One of its threads sleeps at the ring all the time, so the server rings between revoking and
// reading to the end; the others write meanwhile.
TEST_F(RingMessages, ComeOnceWholeAndInOrderWhileTheServerIsHeldUpAsItMoves) {
  std::vector<Request> held;
  server_->on("hold", [&](Request request) {
    HeldUp::serves = true;
    held.push_back(std::move(request));
  });
  server_->on("let go", [&](Request request) { held.clear(), request.reply(); });
  server_.run();
  Client client = server_.connect(eager());
  HeldUp held_up;
  const Installed installed(held_up);
  std::thread sleeper([&] { EXPECT_FALSE(client.call("hold", "", {.deadline = 1h})); });
  exchange(client, static_cast<std::uint64_t>(rounds(2'000, 600'000)) / slowness, 40);
  EXPECT_TRUE(client.call("let go", "", {.deadline = patience}));
  sleeper.join();
  expect_all_have_come(client);
}

#endif

}  // namespace
}  // namespace tincan::test
