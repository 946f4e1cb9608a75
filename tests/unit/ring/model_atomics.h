#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "ring/layout.h"
#include "unit/ring/model_memory.h"

/// What a thread does to shared memory, one operation at a time, and the atomics that make a
/// `BasicEnd` do it to a model. Nothing is shared in truth: an operation is looked up in what the
/// explorer has decided, and where its decisions end the thread stops.
namespace tincan::ring::test {

/// A side's words, in the order of their declaration.
enum class Word : std::uint8_t { produced, descriptor_sets, consumed, sleep };
constexpr std::size_t location_of(std::size_t side, Word word) {
  return side * words_per_side + static_cast<std::size_t>(word);
}

/// How a thread was woken.
enum class Wake : std::uint8_t { rung, for_no_reason, peer_is_dead };

struct Operation {
  enum class Kind : std::uint8_t { load, store, write, read, ring, wait, choose, finished, failed };
  Kind kind = Kind::finished;
  std::uint8_t location = 0;  ///< For load and store; else the first byte that is copied,
  std::uint8_t count = 0;     ///< and how many, or how many choices there are.
  std::memory_order order = std::memory_order_relaxed;
  std::uint64_t value = 0;  ///< To be stored, or the bytes to be written.
};

/// Makes one operation of the ring weaker than it is, to see that this is found.
struct Weakening {
  Operation::Kind kind;
  Word word;
  std::memory_order asked;
  std::memory_order given;
};

/// What a thread has come to know, for the checks at the end.
struct Facts {
  std::string received;
  std::uint64_t sent = 0;  ///< Published, and no revocation was there to be seen afterwards.
  bool saw_revocation = false;
  bool heard_of_death = false;
};

/// The result of an operation: what was found, and for a load which store it was.
struct Result {
  std::uint64_t value = 0;
  std::uint8_t index = 0;
  bool operator==(const Result&) const = default;
};

/// Runs a thread's code up to where its results end.
class Replay {
 public:
  /// Thrown through the thread's code when there is no result for its next operation.
  struct Stop {};

  Replay(std::size_t side, const Result* results, std::size_t count)
      : side_(side), results_(results), count_(count) {}
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  std::uint64_t perform(const Operation& operation);
  [[noreturn]] void fail(const char* what);

  /// For a word that is being made.
  std::uint8_t next_location();

  [[nodiscard]] std::size_t side() const { return side_; }
  [[nodiscard]] const Operation& next() const { return next_; }
  [[nodiscard]] const char* failure() const { return failure_; }
  [[nodiscard]] std::byte* ring(std::size_t side) { return rings_[side].data(); }
  [[nodiscard]] bool holds(const std::byte* at) const;
  [[nodiscard]] std::size_t offset(const std::byte* at) const;

  static thread_local Replay* current;

 private:
  const std::size_t side_;
  const Result* const results_;
  const std::size_t count_;
  std::size_t performed_ = 0;
  std::uint8_t words_made_ = 0;
  Operation next_;
  const char* failure_ = nullptr;
  /// Only the addresses count.
  std::array<std::array<std::byte, capacity_max>, 2> rings_{};
};

struct ModelAtomics {
  /// Knows its location from the order in which the words are made: the left side's first.
  template <class T>
  class Word {
   public:
    explicit(false) Word(T /*initial*/) : location_(Replay::current->next_location()) {}

    [[nodiscard]] T load(std::memory_order order) const {
      return static_cast<T>(Replay::current->perform(
          {.kind = Operation::Kind::load, .location = location_, .order = order}));
    }
    void store(T value, std::memory_order order) {
      Replay::current->perform(
          {.kind = Operation::Kind::store, .location = location_, .order = order, .value = value});
    }

   private:
    const std::uint8_t location_;
  };

  static void copy(std::byte* to, const std::byte* from, std::size_t count);
};

}  // namespace tincan::ring::test
