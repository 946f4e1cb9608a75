#include "unit/ring/model_memory.h"

#include <algorithm>

namespace tincan::ring::test {

Fault ModelMemory::store(std::size_t thread, std::size_t location, std::uint64_t value,
                         std::memory_order order) {
  if (location / words_per_side != thread) return "a store to a word of the other side";
  Location& to = locations_[location];
  if (to.count == stores_max) return "it runs in circles";
  if (value > UINT16_MAX) return "a larger number than the model has room for";
  const std::uint8_t index = to.count++;
  views_[thread][location] = index;
  Store& store = to.stores[index];
  store.value = static_cast<std::uint16_t>(value);
  store.view[location] = index;  // all that a relaxed store tells
  if (is_release(order)) {
    store.view = views_[thread];
    store.clock = clocks_[thread];
  }
  if (order == std::memory_order_seq_cst) total_order_[location] = index;
  return {};
}

std::pair<std::size_t, std::size_t> ModelMemory::visible(std::size_t thread, std::size_t location,
                                                         std::memory_order order) const {
  std::size_t first = views_[thread][location];
  if (order == std::memory_order_seq_cst) {
    first = std::max<std::size_t>(first, total_order_[location]);
  }
  return {first, locations_[location].count - 1};
}

std::uint64_t ModelMemory::load(std::size_t thread, std::size_t location, std::size_t index,
                                std::memory_order order) {
  const Store& found = locations_[location].stores[index];
  views_[thread][location] = static_cast<std::uint8_t>(index);
  if (is_acquire(order)) join(thread, found.view, found.clock);
  if (order == std::memory_order_seq_cst) {
    total_order_[location] = std::max(total_order_[location], views_[thread][location]);
  }
  return found.value;
}

Fault ModelMemory::write(std::size_t thread, std::size_t ring, std::size_t at, std::uint8_t value) {
  if (ring != thread) return "a write into the other side's ring";
  Byte& byte = rings_[ring][at];
  const std::size_t consumer = 1 - ring;
  if (clocks_[thread][consumer] < byte.read) return "race: written over while it is read";
  byte.value = value;
  byte.written = clocks_[thread][thread];
  return {};
}

Fault ModelMemory::read(std::size_t thread, std::size_t ring, std::size_t at, std::uint8_t& value) {
  if (ring == thread) return "a read of the own ring";
  Byte& byte = rings_[ring][at];
  if (byte.written == 0) return "a read of a byte that was never written";
  if (clocks_[thread][ring] < byte.written) return "race: read while it is written";
  value = byte.value;
  byte.read = clocks_[thread][thread];
  return {};
}

void ModelMemory::hear_of_death(std::size_t survivor) {
  join(survivor, views_[1 - survivor], clocks_[1 - survivor]);
}

void ModelMemory::join(std::size_t thread, const View& view, const Clock& clock) {
  std::ranges::transform(views_[thread], view, views_[thread].begin(),
                         [](auto a, auto b) { return std::max(a, b); });
  std::ranges::transform(clocks_[thread], clock, clocks_[thread].begin(),
                         [](auto a, auto b) { return std::max(a, b); });
}

}  // namespace tincan::ring::test
