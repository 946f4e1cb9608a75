#pragma once

#include <cstdint>
#include <utility>

#include "tincan/failure.h"

namespace tincan {

/// An open file descriptor and the duty to close it.
///
/// Movable, not copyable; closed exactly once. Every descriptor that tincan opens or receives has
/// close-on-exec set. What a received descriptor refers to is the sender's choice: tincan never
/// reads, stats or seeks it, and neither should you before deciding that you trust the sender.
class Descriptor {
 public:
  Descriptor() = default;
  /// Takes ownership of `number`; -1 means none.
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(std::exchange(other.number_, -1));
    return *this;
  }
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  /// Gives the number and the duty away.
  [[nodiscard]] int release() { return std::exchange(number_, -1); }
  /// Closes what is held and takes `number` instead.
  void reset(int number = -1) noexcept;
  /// A second descriptor for the same open file, close-on-exec.
  /// Errors: `exhausted` when the process has no free descriptor.
  [[nodiscard]] Result<Descriptor> duplicate() const;

 private:
  int number_ = -1;
};

/// How a large payload is handed over instead of being copied.
enum class Handover : std::uint8_t {
  /// Nobody can write to it any more, its sender included: for peers that do not trust each other.
  /// Sending it costs its sender the time to unmap it, some 35 ms a GiB.
  immutable = 1,
  /// Its sender may still write to it, and the receiver sees that, whenever it happens. For peers
  /// that trust each other. Sending it costs microseconds whatever its size, and less when the same
  /// memory is sent again.
  shared_view = 2,
};

}  // namespace tincan
