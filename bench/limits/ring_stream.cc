/// Twin of bench/stream.cc over a ring: messages behind their lengths, copied into shared memory
/// and published whenever 32 KiB are together, or at the end; the receiver copies out what is
/// there, up to 256 KiB at a time, and looks at each message. A message of length 0 asks for the
/// number of messages so far. The sender spins for room; the receiver spins for up to 50 µs and
/// then sleeps in a futex(2). No checks, no limits, one client.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "futex_ring.h"
#include "harness/sizes.h"
#include "harness/worker.h"
#include "ways/shared.h"

namespace {

constexpr std::size_t ring_bytes = 4 * 1024 * 1024;
constexpr std::size_t batch_bytes = 32 * 1024;
constexpr std::size_t read_bytes = 256 * 1024;

struct Ring {
  alignas(128) std::atomic<std::uint64_t> produced;
  alignas(128) std::atomic<std::uint64_t> consumed;
  alignas(128) std::atomic<std::uint32_t> asleep;
  alignas(128) std::atomic<std::uint64_t> counted;  ///< What the receiver answers, plus one.
  alignas(128) char bytes[ring_bytes];
};

class Sender {
 public:
  explicit Sender(Ring& ring) : ring_(ring) {}
  void add(const char* bytes, std::uint32_t length) {
    while (written_ + sizeof length + length - consumed_ > ring_bytes) {
      flush();
      consumed_ = ring_.consumed.load(std::memory_order_acquire);
      __builtin_ia32_pause();
    }
    put(reinterpret_cast<const char*>(&length), sizeof length);
    put(bytes, length);
    if (written_ - published_ >= batch_bytes) flush();
  }
  void flush() {
    published_ = written_;
    ring_.produced.store(published_, std::memory_order_seq_cst);
    if (ring_.asleep.load(std::memory_order_seq_cst) == 0) return;
    ring_.asleep.store(0, std::memory_order_relaxed);
    bench::futex(ring_.asleep, FUTEX_WAKE, 1);
  }

 private:
  void put(const char* bytes, std::size_t count) {
    const std::size_t at = written_ % ring_bytes;
    const std::size_t before_the_end = std::min(count, ring_bytes - at);
    std::memcpy(ring_.bytes + at, bytes, before_the_end);
    std::memcpy(ring_.bytes, bytes + before_the_end, count - before_the_end);
    written_ += count;
  }

  Ring& ring_;
  std::uint64_t written_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t consumed_ = 0;
};

class Receiver {
 public:
  explicit Receiver(Ring& ring) : ring_(ring), buffer_(read_bytes) {}
  [[noreturn]] void run() {
    while (true) {
      const std::size_t read = copy_out();
      const std::size_t taken = take(kept_ + read);
      kept_ += read - taken;
      std::memmove(buffer_.data(), buffer_.data() + taken, kept_);
    }
  }

 private:
  std::size_t copy_out() {
    const auto has_come = [&] {
      return ring_.produced.load(std::memory_order_seq_cst) != consumed_;
    };
    while (!has_come() && !bench::spin(has_come)) bench::sleep_unless(has_come, ring_.asleep);
    const std::uint64_t produced = ring_.produced.load(std::memory_order_acquire);
    const std::size_t count = std::min(produced - consumed_, buffer_.size() - kept_);
    const std::size_t at = consumed_ % ring_bytes;
    const std::size_t before_the_end = std::min(count, ring_bytes - at);
    char* const to = buffer_.data() + kept_;
    std::memcpy(to, ring_.bytes + at, before_the_end);
    std::memcpy(to + before_the_end, ring_.bytes, count - before_the_end);
    consumed_ += count;
    ring_.consumed.store(consumed_, std::memory_order_release);
    return count;
  }
  std::size_t take(std::size_t count) {
    std::size_t at = 0;
    std::uint32_t length;
    while (count - at >= sizeof length) {
      std::memcpy(&length, buffer_.data() + at, sizeof length);
      if (count - at - sizeof length < length) break;
      at += sizeof length;
      if (length == 0) {
        bench::require(first_bytes_ == messages_ * 'x', "what was sent");
        ring_.counted.store(messages_ + 1, std::memory_order_release);
      } else {
        ++messages_;
        first_bytes_ += static_cast<unsigned char>(buffer_[at]);
      }
      at += length;
    }
    return at;
  }

  Ring& ring_;
  std::vector<char> buffer_;
  std::size_t kept_ = 0;
  std::uint64_t consumed_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t first_bytes_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Assignment task(argc, argv);
  const std::size_t bytes = std::stoul(task.argument.substr(task.argument.find('-') + 1));
  const bench::Shared<Ring> shared;
  Ring& ring = *shared;
  const bench::ServerProcess server(task.placement, [&](const auto& ready) {
    ready();
    Receiver(ring).run();
  });
  const std::vector<char> payload(bytes, 'x');
  Sender sender(ring);
  std::uint64_t sent = 0;
  bench::run_rounds(server, [&](std::size_t operations, bench::Samples&) {
    const std::size_t messages = operations * bench::messages_an_operation;
    ring.counted.store(0, std::memory_order_relaxed);
    for (std::size_t i = 0; i < messages; ++i) {
      sender.add(payload.data(), static_cast<std::uint32_t>(bytes));
    }
    sender.add(payload.data(), 0);
    sender.flush();
    sent += messages;
    while (ring.counted.load(std::memory_order_acquire) == 0) __builtin_ia32_pause();
    bench::require(ring.counted.load(std::memory_order_relaxed) == sent + 1,
                   "as many messages as were sent");
  });
}
