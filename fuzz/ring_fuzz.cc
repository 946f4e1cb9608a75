// One end of a pair of rings, beside a peer who writes into the shared memory whatever he likes
// between any two instructions: every load gives what the fuzzer wants, and so does every byte of
// the peer's ring. So each double fetch, each position that is believed too much, is on its way.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "ring/end.h"

namespace {

using namespace tincan;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

/// Takes the input apart. At its end everything is zero.
class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes && !rest_.empty(); ++i, rest_ = rest_.subspan(1)) {
      value |= std::uint64_t{rest_.front()} << (8 * i);
    }
    return value;
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(number(1)); }

 private:
  std::span<const std::uint8_t> rest_;
};

Input* input = nullptr;
std::span<const std::byte> peer_ring;

/// What was stored in a word of ours, or last found in one of the peer's.
struct FuzzAtomics {
  template <class T>
  class Word {
   public:
    explicit(false) Word(T value) : value_(value) {}

    /// Of the peer's. Most lies are near the truth, for only those come far.
    [[nodiscard]] T load(std::memory_order /*order*/) const {
      const T before = value_;
      switch (const std::uint8_t shape = input->byte(); shape % 4) {
        case 0:
          break;
        case 1:
          value_ = static_cast<T>(value_ + shape / 4);
          break;
        case 2:
          value_ = static_cast<T>(value_ - shape / 4);
          break;
        case 3:
          value_ = static_cast<T>(input->number(sizeof(T)));
          break;
      }
      ++loads_;
      went_backwards_ = went_backwards_ || value_ < before;
      largest_ = std::max(largest_, value_);
      return value_;
    }
    /// Of ours.
    void store(T value, std::memory_order /*order*/) { value_ = value; }

    [[nodiscard]] T value() const { return value_; }
    [[nodiscard]] T largest() const { return largest_; }
    [[nodiscard]] bool went_backwards() const { return went_backwards_; }
    [[nodiscard]] int loads() const { return loads_; }

   private:
    mutable T value_;
    mutable T largest_ = 0;  ///< Of all that was found.
    mutable bool went_backwards_ = false;
    mutable int loads_ = 0;
  };

  static void copy(std::byte* to, const std::byte* from, std::size_t count) {
    std::memcpy(to, from, count);  // for AddressSanitizer
    if (count == 0 || from < peer_ring.data() || from >= peer_ring.data() + peer_ring.size())
      return;
    for (std::byte& each : std::span(to, count)) each = static_cast<std::byte>(input->byte());
  }
};

class Side {
 public:
  explicit Side(std::size_t capacity) : out_(capacity), in_(capacity) { peer_ring = in_; }

  void run_one() {
    const bool was_breached = end_.is_breached();
    const std::uint64_t written = end_.written();
    const std::uint64_t consumed = end_.consumed();
    const std::uint64_t produced_word = ours_.produced.value();
    const std::uint64_t consumed_word = ours_.consumed.value();
    act();
    require(end_.is_breached() || !was_breached, "a breach is for good");
    require(end_.is_breached() ||
                !(theirs_.produced.went_backwards() || theirs_.consumed.went_backwards()),
            "a peer that goes backwards is a liar");
    require(end_.written() >= written && end_.consumed() >= consumed, "positions go forwards");
    require(!was_breached || (end_.written() == written && end_.consumed() == consumed),
            "nothing is read or written after a breach");
    require(ours_.produced.value() >= produced_word && ours_.produced.value() <= end_.written(),
            "what is published was written");
    require(ours_.consumed.value() >= consumed_word && ours_.consumed.value() <= end_.consumed(),
            "what is released was read");
    require(end_.consumed() <= theirs_.produced.largest(), "no more is read than was published");
    require(end_.written() - std::min(theirs_.consumed.largest(), end_.written()) <= out_.size(),
            "nothing is written over that was not released");
    const bool says_revoked = (ours_.sleep.value() & ring::ring_revoked) != 0;
    require(says_revoked == has_revoked_, "a revocation is for good");
  }

 private:
  /// All but `is_drained_by_peer`, which compares what it finds and keeps nothing.
  void act() {
    switch (input->byte() % 14) {
      case 0:
      case 1:
        return write(input->byte());
      case 2:
      case 3:
        return read(input->byte());
      case 4:
        return static_cast<void>(end_.publish());
      case 5:
        return static_cast<void>(end_.release());
      case 6:
        return fall_asleep(input->byte() % 4);
      case 7:
        return end_.wake_up();
      case 8:
        return end_.announce_descriptors();
      case 9:
        return static_cast<void>(end_.peer_descriptor_sets());
      case 10:
        return static_cast<void>(end_.is_revoked_by_peer());
      case 11:
        return revoke();
      case 12:
        return end_at(input->byte());
      case 13:
        return static_cast<void>(end_.has_room());
    }
  }

  void write(std::size_t bytes) {
    std::vector<std::byte> from(bytes);
    for (std::size_t i = 0; i < bytes; ++i) from[i] = static_cast<std::byte>(i + end_.written());
    const std::uint64_t at = end_.written();
    const std::size_t count = end_.write(from);
    require(count <= bytes && count <= out_.size(), "no more is written than was asked for");
    require(end_.written() == at + count, "the position moves by what was written");
    for (std::size_t i = 0; i < count; ++i) {
      require(out_[(at + i) % out_.size()] == from[i], "each byte is written in its place");
    }
  }

  void read(std::size_t bytes) {
    std::vector<std::byte> into(bytes);
    const std::uint64_t at = end_.consumed();
    const bool was_readable = end_.is_readable();
    const std::size_t count = end_.read(into);
    require(count <= bytes && count <= in_.size(), "no more is read than was asked for");
    require(end_.consumed() == at + count, "the position moves by what was read");
    require(!was_readable || count > 0 || bytes == 0, "what is readable can be read");
    require(!has_revoked_ || theirs_.produced.loads() == loads_when_revoked_,
            "nothing is looked for after a revocation");
  }

  void fall_asleep(std::uint32_t what) {
    const bool sleeps = end_.fall_asleep(what);
    require(!sleeps || !end_.is_breached(), "nobody sleeps beside a liar");
    require(sleeps || (ours_.sleep.value() & 3) == 0, "who is awake does not say that he sleeps");
  }

  void revoke() {
    if (has_revoked_) return;
    has_revoked_ = true;
    (void)end_.revoke();
    loads_when_revoked_ = theirs_.produced.loads();
  }

  /// The peer says on the socket how far it reads; what is behind that goes another way.
  void end_at(std::uint64_t before_written) {
    const std::uint64_t published = ours_.produced.value();
    const std::uint64_t position = end_.written() - before_written;
    if (!end_.ends_at(position)) return;
    require(published - position <= out_.size(), "no more is sent again than lies in the ring");
    std::uint64_t at = position;
    while (at < published) {
      const auto part = end_.published_from(at);
      require(!part.empty() && at + part.size() <= published, "only what is published");
      for (const std::byte each : part) {
        require(each == static_cast<std::byte>(at++), "what is sent again is what was written");
      }
    }
  }

  using Words = ring::BasicWords<FuzzAtomics>;
  Words ours_;
  const Words theirs_;
  std::vector<std::byte> out_;
  const std::vector<std::byte> in_;
  ring::BasicEnd<FuzzAtomics> end_{ours_, theirs_, out_, in_};
  bool has_revoked_ = false;
  int loads_when_revoked_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  Input whole(std::span(bytes, count));
  input = &whole;
  Side side(std::size_t{1} << (whole.byte() % 8));
  while (!whole.is_empty()) side.run_one();
  return 0;
}
