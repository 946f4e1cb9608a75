#include "unit/ring/model_step.h"

#include <string>

namespace tincan::ring::test {
namespace {

const std::string side_names[] = {"left", "right"};

std::string name_of_location(std::uint8_t location) {
  static const std::string words[] = {"produced", "descriptor_sets", "consumed", "sleep"};
  return side_names[location / words_per_side] + "." + words[location % words_per_side];
}

std::string name_of_order(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return "relaxed";
    case std::memory_order_acquire:
      return "acquire";
    case std::memory_order_release:
      return "release";
    default:
      return "seq_cst";
  }
}

std::string text_of(std::uint64_t bytes, std::uint8_t count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) text.push_back(static_cast<char>(bytes >> (8 * i)));
  return text;
}

std::string describe_load(const Step& step) {
  const std::string stale = step.result.index == step.newest
                                ? ""
                                : ", stale by " + std::to_string(step.newest - step.result.index);
  return "loads " + name_of_location(step.operation.location) + ": " +
         std::to_string(step.result.value) + " (" + name_of_order(step.operation.order) + stale +
         ")";
}

std::string describe_wake(Wake wake) {
  switch (wake) {
    case Wake::rung:
      return "is woken by its doorbell";
    case Wake::for_no_reason:
      return "is woken for no reason";
    case Wake::peer_is_dead:
      return "is woken by the socket: the other side is dead";
  }
  return "";
}

std::string describe_operation(const Step& step) {
  const Operation& operation = step.operation;
  switch (operation.kind) {
    case Operation::Kind::load:
      return describe_load(step);
    case Operation::Kind::store:
      return "stores " + name_of_location(operation.location) + ": " +
             std::to_string(operation.value) + " (" + name_of_order(operation.order) + ")";
    case Operation::Kind::write:
      return "writes \"" + text_of(operation.value, operation.count) + "\" at " +
             std::to_string(operation.location);
    case Operation::Kind::read:
      return "reads \"" + text_of(step.result.value, operation.count) + "\" at " +
             std::to_string(operation.location);
    case Operation::Kind::ring:
      return "rings the other's doorbell";
    case Operation::Kind::wait:
      return describe_wake(static_cast<Wake>(step.result.value));
    case Operation::Kind::choose:
      return "chooses " + std::to_string(step.result.value) + " of " +
             std::to_string(operation.count);
    default:
      return "ends";
  }
}

}  // namespace

std::string describe(const Step& step) {
  return side_names[step.thread] + (step.thread == 0 ? "   " : "  ") +
         (step.is_death ? "dies" : describe_operation(step));
}

}  // namespace tincan::ring::test
