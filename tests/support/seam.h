#pragma once

#include "os/seam.h"

#ifdef TINCAN_SEAM

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <random>

namespace tincan::test {

/// Puts a seam between the library and the kernel for as long as it lives.
class Installed {
 public:
  explicit Installed(os::Seam& seam) : before_(os::install(&seam)) {}
  Installed(const Installed&) = delete;
  ~Installed() { os::install(before_); }

 private:
  os::Seam* before_;
};

/// Waits up to two milliseconds before each call, so that others get in between. For one thread.
class Delays : public os::Seam {
 public:
  explicit Delays(unsigned seed) : random_(seed) {}
  int before(os::Call, std::size_t*) override {
    ::poll(nullptr, 0, static_cast<int>(random_() % 3));
    return 0;
  }

 private:
  std::minstd_rand random_;
};

/// Kills the process before its n-th call, n counted from 1.
class KillAt : public os::Seam {
 public:
  explicit KillAt(int n) : left_(n) {}
  int before(os::Call, std::size_t*) override {
    if (--left_ == 0) ::kill(::getpid(), SIGKILL);
    return 0;
  }

 private:
  std::atomic<int> left_;
};

/// Fails the n-th call, once.
class FailAt : public os::Seam {
 public:
  FailAt(int n, int error) : left_(n), error_(error) {}
  int before(os::Call call, std::size_t*) override {
    if (--left_ != 0) return 0;
    failed_ = call;
    return error_;
  }
  /// False: there were fewer calls.
  [[nodiscard]] bool reached() const { return left_ <= 0; }
  [[nodiscard]] os::Call failed() const { return failed_; }

 private:
  std::atomic<int> left_;
  int error_;
  os::Call failed_ = os::Call::count_;
};

}  // namespace tincan::test

#endif
