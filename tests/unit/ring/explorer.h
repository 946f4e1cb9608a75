#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "unit/ring/model_memory.h"
#include "unit/ring/model_step.h"
#include "unit/ring/model_thread.h"

/// Goes through every way in which two threads can run: each order of their steps, each store that
/// a load may find, each choice, and a death at each step if one is granted.
///
/// Two economies, neither of which leaves anything out. A state that was seen is not gone through
/// again. And a step that the other thread cannot tell from the same step made earlier or later is
/// made at once: a choice; a copy, whose races the clocks find in any order; and a store that is
/// not seq_cst, for a load may still find what was there before.
namespace tincan::ring::test {

/// How an execution ended, for the check of a scenario.
struct Ending {
  std::array<const Facts*, 2> facts;
  std::array<bool, 2> is_dead{};
  std::array<bool, 2> sleeps{};             ///< Its doorbell will not be rung any more.
  std::array<std::uint64_t, 2> produced{};  ///< What each side has published.
};

struct Scenario {
  std::size_t capacity = 2;
  std::array<Code, 2> code;  ///< Left and right.
  /// Called at the end of each execution.
  std::function<Fault(const Ending&)> check = [](const Ending&) { return Fault(); };
  std::uint8_t wakes_for_no_reason = 0;  ///< At most, in one execution.
  std::uint8_t deaths = 0;
  std::optional<Weakening> weakening{};
  /// Forget where one has been: much slower, and counts the same executions.
  bool forgets = false;
};

struct Exploration {
  Fault failure;
  std::vector<std::string> trace;  ///< The steps up to the failure.
  std::size_t states = 0;          ///< Different ones; from each every way was gone.
  double executions = 0;           ///< Ways from the beginning to an end.
};

[[nodiscard]] Exploration explore(const Scenario& scenario);

class Explorer {
 public:
  explicit Explorer(const Scenario& scenario);
  Exploration run();

 private:
  static constexpr std::uint32_t steps_max = 100;  ///< Of a thread; who needs more runs in circles.

  struct State {
    ModelMemory memory;
    std::array<std::uint32_t, 2> node{};
    std::array<bool, 2> rung{};
    std::array<bool, 2> is_dead{};
    std::uint8_t wakes_left = 0;
    std::uint8_t deaths_left = 0;
  };
  /// A state in few bytes. The nodes say which stores each thread has made and which of the other's
  /// it has found, and so all that was stored, both views and both clocks; the bytes as well, for
  /// there is no race. What the nodes do not say follows them.
  struct Key {
    std::array<std::uint32_t, 2> node;
    View total_order;
    std::array<bool, 2> rung;
    std::array<bool, 2> is_dead;
    std::uint8_t wakes_left;
    std::uint8_t deaths_left;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };

  /// All of these give the number of ways from `state` to an end.
  double ways(const State& state, std::size_t last_thread);
  double ways_not_seen_before(const State& state, std::size_t last_thread);
  double ways_by_either(const State& state, std::size_t thread);
  /// By the next operation of `thread`, with each of the results that it can have.
  double ways_by(const State& state, std::size_t thread);
  double ways_by_load(const State& state, Step step);
  double ways_by_store(const State& state, Step step);
  double ways_by_copy(const State& state, Step step);
  double ways_by_wait(const State& state, Step step);
  double ways_by_death(const State& state, std::size_t thread);
  /// `step` has been made, and led to `state`.
  double ways_after(State state, const Step& step);
  /// Nobody can do anything more.
  double the_end(const State& state);

  [[nodiscard]] const ModelThread::Node& node(const State& state, std::size_t thread) const {
    return threads_[thread].node(state.node[thread]);
  }
  [[nodiscard]] Operation next_operation(const State& state, std::size_t thread) const;
  [[nodiscard]] bool is_private(const State& state, std::size_t thread) const;
  [[nodiscard]] bool is_alive(const State& state, std::size_t thread) const;
  [[nodiscard]] bool can_go_on(const State& state, std::size_t thread) const;
  void fail(std::string what);

  const Scenario& scenario_;
  std::array<ModelThread, 2> threads_;
  std::unordered_map<Key, double, Hash> visited_;
  std::vector<Step> path_;
  Exploration result_;
};

}  // namespace tincan::ring::test
