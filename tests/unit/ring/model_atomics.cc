#include "unit/ring/model_atomics.h"

namespace tincan::ring::test {

thread_local Replay* Replay::current = nullptr;

std::uint64_t Replay::perform(const Operation& operation) {
  if (performed_ < count_) return results_[performed_++].value;
  next_ = operation;
  throw Stop();
}

void Replay::fail(const char* what) {
  failure_ = what;
  next_ = {.kind = Operation::Kind::failed};
  throw Stop();
}

std::uint8_t Replay::next_location() {
  constexpr unsigned words_made_per_side = words_per_side + 1;
  const unsigned side = words_made_ / words_made_per_side;
  const unsigned word = words_made_++ % words_made_per_side;
  return static_cast<std::uint8_t>(side * words_per_side + word);  // the CPU's is never used
}

bool Replay::holds(const std::byte* at) const {
  const auto* first = rings_.front().data();
  return at >= first && at < first + sizeof rings_;
}

std::size_t Replay::offset(const std::byte* at) const {
  return static_cast<std::size_t>(at - rings_.front().data()) % capacity_max;
}

/// One side of a copy is private memory; the explorer is told of the other.
void ModelAtomics::copy(std::byte* to, const std::byte* from, std::size_t count) {
  if (count == 0) return;
  Replay& replay = *Replay::current;
  Operation operation{.count = static_cast<std::uint8_t>(count)};
  if (replay.holds(to)) {
    operation.kind = Operation::Kind::write;
    operation.location = static_cast<std::uint8_t>(replay.offset(to));
    std::memcpy(&operation.value, from, count);
    replay.perform(operation);
  } else {
    operation.kind = Operation::Kind::read;
    operation.location = static_cast<std::uint8_t>(replay.offset(from));
    const std::uint64_t found = replay.perform(operation);
    std::memcpy(to, &found, count);
  }
}

}  // namespace tincan::ring::test
