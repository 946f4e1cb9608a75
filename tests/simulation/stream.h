#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "tincan/descriptor.h"

/// A connected AF_UNIX stream socket as the kernel makes it, without the kernel: what a test wants
/// to happen is drawn from a seed, so that it happens again.
namespace tincan::simulation {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  /// 0 … `bound` - 1.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(engine_() % bound); }
  bool once_in(std::size_t times) { return below(times) == 0; }

 private:
  std::mt19937_64 engine_;
};

/// How unkind the kernel is: one in so many writes and reads is short, or finds nothing.
struct Weather {
  std::size_t capacity = 200'000;
  std::size_t short_once_in = 4;
  std::size_t again_once_in = 8;
};

enum class Trouble { none, again, gone, reset };

/// One direction. Descriptors are numbers that no process has, so that passing thousands costs
/// nothing and each is known again.
class Stream {
 public:
  struct Written {
    Trouble trouble = Trouble::none;
    std::size_t bytes = 0;
  };
  Written write(std::span<const std::byte> bytes, std::span<const Descriptor> descriptors,
                Random& random, const Weather& weather) {
    if (reader_closed_) return {Trouble::gone};
    if (queued_ >= weather.capacity || random.once_in(weather.again_once_in)) {
      return {Trouble::again};
    }
    std::size_t count = std::min(bytes.size(), weather.capacity - queued_);
    if (random.once_in(weather.short_once_in)) count = 1 + random.below(count);
    for (std::size_t from = 0; from < count;) {
      // The kernel makes buffers of at most 32 KiB; descriptors lie in the first of a write.
      const std::size_t part = std::min<std::size_t>(count - from, 32 * 1024);
      Segment segment{{bytes.begin() + static_cast<std::ptrdiff_t>(from),
                       bytes.begin() + static_cast<std::ptrdiff_t>(from + part)},
                      0,
                      {}};
      if (from == 0) {
        for (const Descriptor& each : descriptors) segment.descriptors.push_back(each.get());
      }
      segments_.push_back(std::move(segment));
      from += part;
    }
    queued_ += count;
    return {Trouble::none, count};
  }

  struct Read {
    Trouble trouble = Trouble::none;
    std::vector<std::byte> bytes;  ///< Empty without trouble: the end.
    std::vector<Descriptor> descriptors;
  };
  Read read(std::size_t bytes_max, Random& random, const Weather& weather) {
    Read read;
    if (queued_ == 0) {
      if (reset_) return std::exchange(reset_, false), Read{Trouble::reset, {}, {}};
      if (!writer_closed_) read.trouble = Trouble::again;
      return read;
    }
    if (random.once_in(weather.again_once_in)) return Read{Trouble::again, {}, {}};
    if (random.once_in(weather.short_once_in)) bytes_max = 1 + random.below(bytes_max);
    while (!segments_.empty() && read.bytes.size() < bytes_max) {
      if (take_from_front(read, bytes_max)) break;
    }
    return read;
  }

  void close_writer() { writer_closed_ = true; }
  /// What was not read is lost. True when there was something.
  bool close_reader() {
    reader_closed_ = true;
    segments_.clear();
    return std::exchange(queued_, 0) > 0;
  }
  /// The other direction's reader went without reading all: F1, told behind what is here.
  void reset() { reset_ = true; }
  [[nodiscard]] bool has_bytes() const { return queued_ > 0; }

 private:
  struct Segment {
    std::vector<std::byte> bytes;
    std::size_t taken;
    std::vector<int> descriptors;
  };

  /// True when it had descriptors: one read never goes beyond such a segment (F12).
  bool take_from_front(Read& read, std::size_t bytes_max) {
    Segment& segment = segments_.front();
    const std::size_t count =
        std::min(segment.bytes.size() - segment.taken, bytes_max - read.bytes.size());
    const auto from = segment.bytes.begin() + static_cast<std::ptrdiff_t>(segment.taken);
    read.bytes.insert(read.bytes.end(), from, from + static_cast<std::ptrdiff_t>(count));
    segment.taken += count;
    queued_ -= count;
    const bool stops = !segment.descriptors.empty();
    for (const int number : std::exchange(segment.descriptors, {})) {
      read.descriptors.emplace_back(number);
    }
    if (segment.taken == segment.bytes.size()) segments_.pop_front();
    return stops;
  }

  std::deque<Segment> segments_;
  std::size_t queued_ = 0;
  bool writer_closed_ = false;
  bool reader_closed_ = false;
  bool reset_ = false;
};

/// Both directions, as seen from one of two ends, 0 and 1.
class Connection {
 public:
  [[nodiscard]] Stream& from(int end) { return streams_[end]; }
  [[nodiscard]] Stream& to(int end) { return streams_[1 - end]; }
  /// As close(2), or the death of the process.
  void close(int end) {
    from(end).close_writer();
    if (to(end).close_reader()) from(end).reset();
  }

 private:
  Stream streams_[2];
};

}  // namespace tincan::simulation
