#include "unit/ring/explorer.h"

namespace tincan::ring::test {

using Kind = Operation::Kind;

Exploration explore(const Scenario& scenario) { return Explorer(scenario).run(); }

Explorer::Explorer(const Scenario& scenario)
    : scenario_(scenario),
      threads_{ModelThread(0, scenario.capacity, scenario.code[0]),
               ModelThread(1, scenario.capacity, scenario.code[1])} {}

Exploration Explorer::run() {
  result_.executions = ways(
      {.memory = {}, .wakes_left = scenario_.wakes_for_no_reason, .deaths_left = scenario_.deaths},
      0);
  return std::move(result_);
}

std::size_t Explorer::Hash::operator()(const Key& key) const {
  std::uint64_t hash = key.node[0] * 0x9e3779b97f4a7c15u + key.node[1];
  const auto add = [&hash](std::uint64_t value) {
    hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u + value;
  };
  for (const std::uint8_t index : key.total_order) add(index);
  add(std::uint64_t{key.rung[0]} | std::uint64_t{key.rung[1]} << 1 |
      std::uint64_t{key.is_dead[0]} << 2 | std::uint64_t{key.is_dead[1]} << 3 |
      std::uint64_t{key.wakes_left} << 8 | std::uint64_t{key.deaths_left} << 16);
  return hash ^ (hash >> 32);
}

double Explorer::ways(const State& state, std::size_t last_thread) {
  if (result_.failure) return 0;
  if (scenario_.forgets) return ways_not_seen_before(state, last_thread);
  const Key key{state.node,    state.memory.total_order(), state.rung,
                state.is_dead, state.wakes_left,           state.deaths_left};
  if (const auto found = visited_.find(key); found != visited_.end()) return found->second;
  const double count = ways_not_seen_before(state, last_thread);
  visited_.emplace(key, count);
  return count;
}

double Explorer::ways_not_seen_before(const State& state, std::size_t last_thread) {
  ++result_.states;
  for (const std::size_t thread : {last_thread, 1 - last_thread}) {
    if (is_private(state, thread)) return ways_by_either(state, thread);
  }
  // The same thread first: the first failure then has few changes from one thread to the other.
  double count = ways_by_either(state, last_thread);
  count += ways_by_either(state, 1 - last_thread);
  const bool is_over = !can_go_on(state, 0) && !can_go_on(state, 1);
  return is_over ? count + the_end(state) : count;
}

/// It makes its next step, or dies.
double Explorer::ways_by_either(const State& state, std::size_t thread) {
  double count = 0;
  if (can_go_on(state, thread)) count += ways_by(state, thread);
  if (state.deaths_left > 0 && is_alive(state, thread)) count += ways_by_death(state, thread);
  return count;
}

bool Explorer::is_private(const State& state, std::size_t thread) const {
  if (!is_alive(state, thread)) return false;
  const Operation operation = next_operation(state, thread);
  switch (operation.kind) {
    case Kind::write:
    case Kind::read:
    case Kind::choose:
      return true;
    case Kind::store:
      return operation.order != std::memory_order_seq_cst;
    default:
      return false;
  }
}

bool Explorer::is_alive(const State& state, std::size_t thread) const {
  return !state.is_dead[thread] && node(state, thread).next.kind != Kind::finished;
}

bool Explorer::can_go_on(const State& state, std::size_t thread) const {
  if (!is_alive(state, thread) || node(state, thread).next.kind != Kind::wait) {
    return is_alive(state, thread);
  }
  return state.rung[thread] || state.is_dead[1 - thread] || state.wakes_left > 0;
}

Operation Explorer::next_operation(const State& state, std::size_t thread) const {
  Operation operation = node(state, thread).next;
  if (const auto& weaker = scenario_.weakening;
      weaker && operation.kind == weaker->kind && operation.order == weaker->asked &&
      operation.location % words_per_side == static_cast<std::size_t>(weaker->word)) {
    operation.order = weaker->given;
  }
  return operation;
}

double Explorer::ways_by(const State& state, std::size_t thread) {
  const Step step{.thread = thread, .operation = next_operation(state, thread)};
  if (node(state, thread).depth > steps_max) return fail("it runs in circles"), 0;
  switch (step.operation.kind) {
    case Kind::load:
      return ways_by_load(state, step);
    case Kind::write:
    case Kind::read:
      return ways_by_copy(state, step);
    case Kind::wait:
      return ways_by_wait(state, step);
    case Kind::failed:
      return fail(node(state, thread).failure), 0;
    default:
      return ways_by_store(state, step);
  }
}

double Explorer::ways_by_load(const State& state, Step step) {
  const auto [location, order] = std::pair(step.operation.location, step.operation.order);
  const auto [first, last] = state.memory.visible(step.thread, location, order);
  double count = 0;
  step.newest = last;
  for (std::size_t index = last + 1; index-- > first;) {
    State next = state;
    next.memory.tick(step.thread);
    step.result = {.value = next.memory.load(step.thread, location, index, order),
                   .index = static_cast<std::uint8_t>(index)};
    count += ways_after(std::move(next), step);
  }
  return count;
}

/// And by whatever else changes something and gives nothing back, or a choice.
double Explorer::ways_by_store(const State& state, Step step) {
  double count = 0;
  const unsigned choices = step.operation.kind == Kind::choose ? step.operation.count : 1;
  for (unsigned choice = 0; choice < choices; ++choice) {
    State next = state;
    next.memory.tick(step.thread);
    step.result.value = choice;
    if (step.operation.kind == Kind::ring) next.rung[1 - step.thread] = true;
    Fault fault;
    if (step.operation.kind == Kind::store) {
      fault = next.memory.store(step.thread, step.operation.location, step.operation.value,
                                step.operation.order);
    }
    path_.push_back(step);
    if (fault) fail(*fault);
    path_.pop_back();
    count += ways_after(std::move(next), step);
  }
  return count;
}

double Explorer::ways_by_copy(const State& state, Step step) {
  const Operation& operation = step.operation;
  State next = state;
  next.memory.tick(step.thread);
  Fault fault;
  if (operation.location + operation.count > scenario_.capacity) fault = "a copy past the ring";
  for (unsigned i = 0; i < operation.count && !fault; ++i) {
    const std::size_t at = operation.location + i;
    if (operation.kind == Kind::write) {
      const auto value = static_cast<std::uint8_t>(operation.value >> (8 * i));
      fault = next.memory.write(step.thread, step.thread, at, value);
    } else {
      std::uint8_t value = 0;
      fault = next.memory.read(step.thread, 1 - step.thread, at, value);
      step.result.value |= std::uint64_t{value} << (8 * i);
    }
  }
  path_.push_back(step);
  if (fault) fail(*fault);
  path_.pop_back();
  return ways_after(std::move(next), step);
}

double Explorer::ways_by_wait(const State& state, Step step) {
  const auto by = [&](Wake wake, auto change) {
    State next = state;
    next.memory.tick(step.thread);
    change(next);
    step.result.value = static_cast<std::uint64_t>(wake);
    return ways_after(std::move(next), step);
  };
  double count = 0;
  if (state.rung[step.thread]) {
    count += by(Wake::rung, [&](State& next) { next.rung[step.thread] = false; });
  }
  if (state.is_dead[1 - step.thread]) {
    count += by(Wake::peer_is_dead, [&](State& next) { next.memory.hear_of_death(step.thread); });
  }
  if (state.wakes_left > 0)
    count += by(Wake::for_no_reason, [](State& next) { --next.wakes_left; });
  return count;
}

double Explorer::ways_by_death(const State& state, std::size_t thread) {
  State next = state;
  next.is_dead[thread] = true;
  --next.deaths_left;
  path_.push_back({.thread = thread, .is_death = true});
  const double count = ways(next, 1 - thread);
  path_.pop_back();
  return count;
}

double Explorer::ways_after(State state, const Step& step) {
  if (result_.failure) return 0;
  state.node[step.thread] = threads_[step.thread].after(state.node[step.thread], step.result);
  path_.push_back(step);
  const double count = ways(state, step.thread);
  path_.pop_back();
  return count;
}

double Explorer::the_end(const State& state) {
  Ending ending{.is_dead = state.is_dead};
  for (std::size_t side = 0; side < 2; ++side) {
    ending.facts[side] = &node(state, side).facts;
    ending.sleeps[side] = !state.is_dead[side] && node(state, side).next.kind == Kind::wait;
    ending.produced[side] = state.memory.newest(location_of(side, Word::produced));
  }
  if (const Fault fault = scenario_.check(ending)) fail(*fault);
  return 1;
}

void Explorer::fail(std::string what) {
  if (result_.failure) return;
  result_.failure = std::move(what);
  for (const Step& step : path_) result_.trace.push_back(describe(step));
}

}  // namespace tincan::ring::test
