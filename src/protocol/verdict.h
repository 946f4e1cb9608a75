#pragma once

namespace tincan::protocol {

/// Whether a connection goes on after something that the peer sent; true: it does. Why it does not
/// is kept by the session, so that the verdict, which is nearly always the same, fits a register.
class [[nodiscard]] Verdict {
 public:
  constexpr Verdict() = default;
  static constexpr Verdict over() { return Verdict(true); }
  explicit constexpr operator bool() const { return !over_; }

 private:
  explicit constexpr Verdict(bool over) : over_(over) {}
  bool over_ = false;
};

}  // namespace tincan::protocol
