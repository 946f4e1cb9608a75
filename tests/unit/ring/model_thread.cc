#include "unit/ring/model_thread.h"

#include <algorithm>

namespace tincan::ring::test {

ModelThread::ModelThread(std::size_t side, std::size_t capacity, Code code)
    : side_(side), capacity_(capacity), code_(std::move(code)) {
  run(nodes_.emplace_back(), {});
}

std::uint32_t ModelThread::after(std::uint32_t id, const Result& result) {
  for (const std::uint32_t child : nodes_[id].children) {
    if (nodes_[child].result == result) return child;
  }
  Node node{.parent = id, .depth = nodes_[id].depth + 1, .result = result};
  std::vector<Result> results = {result};
  for (std::uint32_t at = id; at != 0; at = nodes_[at].parent) {
    results.push_back(nodes_[at].result);
  }
  std::ranges::reverse(results);
  run(node, results);
  const auto child = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back(std::move(node));
  nodes_[id].children.push_back(child);
  return child;
}

void ModelThread::run(Node& node, const std::vector<Result>& results) {
  Replay replay(side_, results.data(), results.size());
  Replay::current = &replay;
  Actor actor(replay, capacity_);
  try {
    code_(actor);
    node.next.kind = Operation::Kind::finished;
  } catch (const Replay::Stop&) {
    node.next = replay.next();
    node.failure = replay.failure();
  }
  node.facts = std::move(actor.facts);
  Replay::current = nullptr;
}

}  // namespace tincan::ring::test
