#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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

namespace session {
class LentMemory;
}

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

/// Memory in which a payload is built in place, and which is then handed over: got from
/// `Client::loan`, `Request::loan` or `Server::loan`, given to `call`, `send`, `submit` or `reply`.
///
/// Moved into a message it is gone, whatever becomes of the message. Lent to one (`const Loan&`) it
/// stays yours and may be sent again: a shared view as often as you like, and when it `is_released`
/// you may write there for the next time. An immutable one is sealed when it is first sent: from
/// then on `bytes()` is empty. Destroyed, it is freed once nobody looks at it; a shared view is
/// kept for the next `loan` on its connection, which then costs no page fault.
///
/// Threads: one at a time. After fork() the child's copy has no bytes, and is dead.
class Loan {
 public:
  Loan(Loan&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Loan& operator=(Loan&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Loan() {
    if (memory_ != nullptr) free();
  }

  /// Where to write. What stands there at first is not said: zeros, or what was there before.
  [[nodiscard]] std::span<std::byte> bytes() const;
  [[nodiscard]] std::uint64_t size() const { return bytes_; }
  /// Sends only the first `bytes` of it; never more than `size()`.
  void shrink_to(std::uint64_t bytes) { bytes_ = bytes < bytes_ ? bytes : bytes_; }
  /// True when nobody looks at it: every receiver has released it, or its connection has ended, and
  /// no message that names it is under way. Any thread; hears of it only while somebody waits for
  /// the client, calls `Client::process`, or runs the server. A receiver that keeps a request
  /// beyond the end of its connection sees what is written next.
  [[nodiscard]] bool is_released() const;

  Loan(session::LentMemory* memory, std::uint64_t bytes) : memory_(memory), bytes_(bytes) {}
  [[nodiscard]] session::LentMemory* memory() const { return memory_; }

 private:
  void free();

  session::LentMemory* memory_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace tincan
