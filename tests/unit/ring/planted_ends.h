#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "unit/ring/explored_sides.h"

/// Ends that are each broken in one place, in the ways in which rings have been broken before.
namespace tincan::ring::test {

class PlantedEnd : public ModelEnd {
 public:
  PlantedEnd(BasicWords<ModelAtomics>& ours, const BasicWords<ModelAtomics>& theirs,
             std::span<std::byte> out, std::span<const std::byte> in)
      : ModelEnd(ours, theirs, out, in), ours_(ours), theirs_(theirs) {}

 protected:
  BasicWords<ModelAtomics>& ours_;
  const BasicWords<ModelAtomics>& theirs_;
};

/// Looks who sleeps, and publishes then.
class LooksBeforeItPublishes : public PlantedEnd {
 public:
  using PlantedEnd::PlantedEnd;
  [[nodiscard]] bool publish() {
    const bool sleeps = (theirs_.sleep.load(std::memory_order_seq_cst) & sleeps_for_bytes) != 0;
    (void)ModelEnd::publish();
    return sleeps;
  }
};

class SleepsWithoutASecondLook : public PlantedEnd {
 public:
  using PlantedEnd::PlantedEnd;
  [[nodiscard]] bool fall_asleep(std::uint32_t what) {
    count_ += sleep_count_step;
    ours_.sleep.store(count_ | what, std::memory_order_seq_cst);
    return true;
  }

 private:
  std::uint32_t count_ = 0;
};

/// Looks for bytes, and says then that it sleeps.
class SleepsAfterItsLook : public SleepsWithoutASecondLook {
 public:
  using SleepsWithoutASecondLook::SleepsWithoutASecondLook;
  [[nodiscard]] bool fall_asleep(std::uint32_t what) {
    return !is_readable() && SleepsWithoutASecondLook::fall_asleep(what);
  }
};

/// Gives the room back, and copies the bytes out then.
class ReleasesBeforeItReads : public PlantedEnd {
 public:
  using PlantedEnd::PlantedEnd;
  std::size_t read(std::span<std::byte> into) {
    if (is_readable()) ours_.consumed.store(consumed() + 1, std::memory_order_seq_cst);
    return ModelEnd::read(into.first(1));
  }
};

/// Publishes what it copies afterwards.
class PublishesBeforeItWrites : public PlantedEnd {
 public:
  using PlantedEnd::PlantedEnd;
  std::size_t write(std::span<const std::byte> bytes) {
    ours_.produced.store(written() + bytes.size(), std::memory_order_seq_cst);
    return ModelEnd::write(bytes);
  }
};

class ForgetsTheDoorbell : public PlantedEnd {
 public:
  using PlantedEnd::PlantedEnd;
  [[nodiscard]] bool publish() {
    (void)ModelEnd::publish();
    return false;
  }
};

/// Rings whoever sleeps, but only the first time.
class RingsOnlyOnce : public PlantedEnd {
 public:
  using PlantedEnd::PlantedEnd;
  [[nodiscard]] bool publish() {
    const bool sleeps = ModelEnd::publish() && !has_rung_;
    has_rung_ = has_rung_ || sleeps;
    return sleeps;
  }

 private:
  bool has_rung_ = false;
};

/// Learns where the other side is, and revokes then.
class LooksBeforeItRevokes : public PlantedEnd {
 public:
  using PlantedEnd::PlantedEnd;
  [[nodiscard]] bool revoke() {
    limit_ = theirs_.produced.load(std::memory_order_seq_cst);
    return ModelEnd::revoke();
  }
  std::size_t read(std::span<std::byte> into) {
    return ModelEnd::read(into.first(std::min<std::size_t>(into.size(), limit_ - consumed())));
  }
  [[nodiscard]] std::uint64_t last_readable() const { return limit_; }

 private:
  std::uint64_t limit_ = UINT64_MAX;
};

}  // namespace tincan::ring::test
