#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "ring/end.h"
#include "unit/ring/model_atomics.h"

/// The code of a thread, and all that it can come to do.
namespace tincan::ring::test {

/// What the code of a thread acts through. It has to be a function of the results alone.
class Actor {
 public:
  Actor(Replay& replay, std::size_t capacity) : replay_(replay), capacity_(capacity) {}

  /// An end of this thread's side. `End` is a BasicEnd<ModelAtomics>, or a broken one.
  template <class End>
  [[nodiscard]] End end() {
    const std::size_t side = replay_.side();
    return End(words_[side], words_[1 - side], {replay_.ring(side), capacity_},
               std::span<const std::byte>(replay_.ring(1 - side), capacity_));
  }
  /// Past the end, for broken ends.
  [[nodiscard]] BasicWords<ModelAtomics>& words(std::size_t side) { return words_[side]; }

  /// Rings the other side's doorbell.
  void ring() { replay_.perform({.kind = Operation::Kind::ring}); }
  /// Sleeps until its own doorbell is rung, or the socket tells of the other side's death.
  Wake wait() { return static_cast<Wake>(replay_.perform({.kind = Operation::Kind::wait})); }
  /// Any number below `count`.
  std::size_t choose(std::uint8_t count) {
    return replay_.perform({.kind = Operation::Kind::choose, .count = count});
  }
  void expect(bool holds, const char* what) {
    if (!holds) replay_.fail(what);
  }

  Facts facts;

 private:
  Replay& replay_;
  const std::size_t capacity_;
  BasicWords<ModelAtomics> words_[2];
};

using Code = std::function<void(Actor&)>;

/// A thread's code as a tree: what it does next, for each of the results that it can have had.
/// Each node is run once, from the start of the code; all executions walk over the same tree.
class ModelThread {
 public:
  struct Node {
    Operation next;
    Facts facts;                    ///< So far.
    const char* failure = nullptr;  ///< If `next` is `failed`.
    std::uint32_t parent = 0;
    std::uint32_t depth = 0;
    Result result;  ///< Of the parent's operation.
    std::vector<std::uint32_t> children;
  };

  ModelThread(std::size_t side, std::size_t capacity, Code code);

  [[nodiscard]] const Node& node(std::uint32_t id) const { return nodes_[id]; }
  /// What the thread does when the operation of `id` has `result`.
  std::uint32_t after(std::uint32_t id, const Result& result);
  [[nodiscard]] std::size_t node_count() const { return nodes_.size(); }

 private:
  void run(Node& node, const std::vector<Result>& results);

  const std::size_t side_;
  const std::size_t capacity_;
  const Code code_;
  std::vector<Node> nodes_;
};

}  // namespace tincan::ring::test
