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
#include "system/ring_client.h"

namespace tincan::test {
namespace {

using namespace std::chrono_literals;

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
    std::ranges::copy(from, message_.begin() + sizeof label_);
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
  /// True as soon as the ring has been taken back; else what comes next meets that half way, or
  /// finds it in use.
  bool lies_idle(std::chrono::nanoseconds longest) {
    const auto end = std::chrono::steady_clock::now() + longest;
    while (server_->counts().rings > 0) {
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }

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
  const auto wanted =
      static_cast<std::uint64_t>(rounds(300'000, 3'000'000) / thread_sanitizer_slowness);
  constexpr std::uint64_t moves_min = 20;
  std::uint64_t moves = 0;
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
    const bool was_in_ring = client.ring_bytes() > 0;
    moves += lies_idle(std::chrono::microseconds(random() % 2500)) && was_in_ring;
    enough = (messages_ >= wanted && moves >= moves_min) || wrong_ > 0 ||
             std::chrono::steady_clock::now() > deadline;
    rest.arrive_and_wait();
  }
  other.join();
  EXPECT_GE(messages_, wanted) << "have come in time";
  EXPECT_GE(moves, moves_min) << "it stays where it is: this test shows nothing";
  EXPECT_EQ(wrong_, 0u);
  EXPECT_EQ(client.reconnects(), 0u);
  const std::string sent[] = {"all", "of them"};
  for (const std::string& text : sent) EXPECT_EQ(reply_to(client, text), text);
  server_.end();
  for (std::size_t i = 0; i < streams; ++i) {
    EXPECT_EQ(stream_of(writers_[i].next()), i);
    Label last;
    std::memcpy(&last, writers_[i].next().data(), sizeof last);
    EXPECT_EQ(requests_[i].taken(), last.number - 2) << "are not all that were sent";
  }
}

}  // namespace
}  // namespace tincan::test
