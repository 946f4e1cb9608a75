#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

/// The memory that two sides of a ring share, as the memory model of C++20 lets them see it.
///
/// Which model. A location is the list of all that was stored in it, its modification order; a
/// thread has a view, for each location the oldest store that it may still load. A load picks any
/// store from there on. A release store takes the view along, and whoever loads it with acquire
/// joins that view with its own. Seq_cst accesses are release and acquire, and besides stand in one
/// total order, which is the order in which they are executed here: a seq_cst load finds at least
/// what the last seq_cst store, and what any seq_cst load, has stored or found before it there.
/// Bytes are not atomic: by vector clocks, a read must happen after the write that it reads, and a
/// write after the reads of what it overwrites, or it is a race.
///
/// Where it is stronger than the standard, which is what it cannot find:
/// - A load finds only what was executed before it. The standard lets relaxed loads find what is
///   stored later ("load buffering"); no compiler and CPU we know does it across an acquire, and
///   the ring has one relaxed load, of a count that an acquire load has gone before.
/// - The total order of seq_cst agrees with the order of execution. C++20 allows it to disagree
///   where one location is accessed as seq_cst and as something weaker through a third thread;
///   there are two threads here.
/// Where it is weaker, and so more is demanded of the ring: a doorbell orders nothing, though a
/// pipe in the kernel does.
/// Exact where others must guess: each location has one writer (it is checked), so that its
/// modification order is the writer's program order.
namespace tincan::ring::test {

inline constexpr std::size_t words_per_side = 4;  ///< Without the CPU, which is a hint.
inline constexpr std::size_t location_count = 2 * words_per_side;
inline constexpr std::size_t stores_max = 16;   ///< To one location, in one execution.
inline constexpr std::size_t capacity_max = 4;  ///< Bytes of a ring.

/// For each location, the index of a store in its modification order.
using View = std::array<std::uint8_t, location_count>;
/// For each thread, how many of its steps.
using Clock = std::array<std::uint8_t, 2>;
/// Says what is wrong, if something is.
using Fault = std::optional<std::string>;

constexpr bool is_acquire(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_seq_cst;
}
constexpr bool is_release(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_seq_cst;
}

class ModelMemory {
 public:
  /// `thread` makes a step: what it does next is later than all it did.
  void tick(std::size_t thread) { ++clocks_[thread][thread]; }

  [[nodiscard]] Fault store(std::size_t thread, std::size_t location, std::uint64_t value,
                            std::memory_order order);
  /// The stores that a load may find: from the first to the last.
  [[nodiscard]] std::pair<std::size_t, std::size_t> visible(std::size_t thread,
                                                            std::size_t location,
                                                            std::memory_order order) const;
  std::uint64_t load(std::size_t thread, std::size_t location, std::size_t index,
                     std::memory_order order);
  [[nodiscard]] std::uint64_t value(std::size_t location, std::size_t index) const {
    return locations_[location].stores[index].value;
  }
  [[nodiscard]] std::uint64_t newest(std::size_t location) const {
    return value(location, locations_[location].count - 1);
  }

  /// Of the ring in which side `ring` is the producer.
  [[nodiscard]] Fault write(std::size_t thread, std::size_t ring, std::size_t at,
                            std::uint8_t value);
  [[nodiscard]] Fault read(std::size_t thread, std::size_t ring, std::size_t at,
                           std::uint8_t& value);

  /// The end of a process is a system call, and so is hearing of it: the survivor sees all.
  void hear_of_death(std::size_t survivor);

  /// What seq_cst loads have to find at least.
  [[nodiscard]] const View& total_order() const { return total_order_; }

 private:
  struct Store {
    std::uint16_t value = 0;  ///< Small, as is all here: states are copied by the million.
    View view{};
    Clock clock{};
  };
  struct Location {
    std::array<Store, stores_max> stores;
    std::uint8_t count = 1;  ///< The first is what was there from the beginning.
  };
  struct Byte {
    std::uint8_t value = 0;
    std::uint8_t written = 0;  ///< The producer's clock at the last write; 0: never,
    std::uint8_t read = 0;     ///< and the consumer's at the last read.
  };

  void join(std::size_t thread, const View& view, const Clock& clock);

  std::array<Location, location_count> locations_;
  std::array<std::array<Byte, capacity_max>, 2> rings_;
  std::array<View, 2> views_{};
  std::array<Clock, 2> clocks_{};
  View total_order_{};
};

}  // namespace tincan::ring::test
