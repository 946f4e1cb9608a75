#pragma once

#include "support/seam.h"

#ifdef TINCAN_SEAM

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>

#include "support/eventually.h"

namespace tincan::test {

/// What the manual pages let a call fail with, up to the first 0. Without bugs of ours, and without
/// EAGAIN: an edge that was told and denied would not be told again.
struct CallErrors {
  os::Call call;
  std::array<int, 7> errors;
};
inline constexpr CallErrors call_errors[] = {
    {os::Call::accept, {EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EPERM}},
    {os::Call::allocate, {ENOSPC, EIO}},
    {os::Call::bind, {EADDRINUSE, EACCES, ENOENT, ENOMEM, EROFS}},
    {os::Call::chmod, {EPERM, ENOENT, EROFS, EIO}},
    {os::Call::chown, {EPERM, EROFS, EIO}},
    {os::Call::clone, {EAGAIN, ENOMEM}},
    {os::Call::connect, {ECONNREFUSED, EACCES, ENOENT, EINTR, EPROTOTYPE, ENOMEM}},
    {os::Call::dup, {EMFILE}},
    {os::Call::epoll_create, {EMFILE, ENFILE, ENOMEM}},
    {os::Call::epoll_ctl, {ENOMEM, ENOSPC}},
    {os::Call::eventfd, {EMFILE, ENFILE, ENOMEM}},
    {os::Call::fcntl, {EPERM}},
    {os::Call::fstat, {ENOMEM}},
    {os::Call::futex, {EAGAIN, EINTR}},
    {os::Call::getsockopt, {ENOMEM, ENOPROTOOPT}},
    {os::Call::listen, {EADDRINUSE}},
    {os::Call::lock, {EAGAIN, ENOLCK}},
    {os::Call::memfd, {EMFILE, ENFILE, ENOMEM}},
    {os::Call::mlock, {ENOMEM, EPERM}},
    {os::Call::mmap, {ENOMEM, EPERM}},
    {os::Call::open, {EMFILE, ENOMEM, EACCES, ENOENT, ENOSPC, EROFS, ELOOP}},
    {os::Call::pidfd, {EMFILE, ENFILE, ENOMEM}},
    {os::Call::pipe, {EMFILE, ENFILE}},
    {os::Call::poll, {ENOMEM}},
    {os::Call::read, {EIO}},
    {os::Call::readlink, {EACCES, ENOENT, ENOMEM}},
    {os::Call::recv, {ECONNRESET, ENOBUFS, ENOMEM}},
    {os::Call::rename, {EACCES, ENOENT, EEXIST, EROFS, ENOSPC, EINVAL}},
    {os::Call::send, {EPIPE, ECONNRESET, ENOBUFS, ENOMEM}},
    {os::Call::setsockopt, {ENOMEM}},
    {os::Call::shutdown, {ENOTCONN}},
    {os::Call::socket, {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
    {os::Call::socketpair, {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
    {os::Call::stat, {ENOMEM, EACCES, ENOENT}},
    {os::Call::truncate, {EIO}},
    {os::Call::unlink, {EACCES, ENOENT, EROFS}},
    {os::Call::write, {ENOSPC, EIO, EDQUOT}},
};
/// The i-th of them; 0: there are fewer.
inline int error_of(os::Call call, std::size_t i) {
  for (const CallErrors& one : call_errors) {
    if (one.call == call && i < one.errors.size()) return one.errors[i];
  }
  return 0;
}

/// The deadline of what may fail: some failures show only there.
inline constexpr std::chrono::milliseconds patience_with_failures{100};

/// On a thread that sets this no call fails, and none is counted.
inline thread_local bool calls_never_fail = false;

/// Fails the n-th call with the i-th of its errors: once, or it and all later ones of its kind.
class Fault : public os::Seam {
 public:
  Fault(int n, std::size_t i, bool goes_on) : n_(n), i_(i), goes_on_(goes_on) {}

  int before(os::Call call, std::size_t*) override {
    if (calls_never_fail || lifted_ || call == spared_) return 0;
    if (++count_ == n_) {
      error_ = error_of(call, i_);
      if (error_ != 0) failed_ = call;
      return error_;
    }
    return goes_on_ && failed_ == call && may_go_on() ? error_.load() : 0;
  }
  /// Calls of this kind do not fail.
  void spare(os::Call call) { spared_ = call; }
  /// The shortage, or whatever it was, has passed.
  void lift() { lifted_ = true; }

  /// False: there were fewer calls.
  [[nodiscard]] bool reached() const { return count_ >= n_; }
  /// 0: none failed.
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] os::Call failed() const { return failed_; }
  [[nodiscard]] std::string what() const {
    if (error_ == 0) return "no call failed";
    return "call " + std::to_string(n_) + " (os::Call " +
           std::to_string(static_cast<int>(failed_.load())) + ") failed with " +
           strerrorname_np(error_) + (goes_on_ ? ", and so did all that followed" : "");
  }

 private:
  /// A call that does not wait is not interrupted for ever, and a connection on which one call says
  /// that it has ended says so to all.
  [[nodiscard]] bool may_go_on() const {
    return error_ != EINTR && error_ != EPIPE && error_ != ECONNRESET;
  }

  const int n_;
  const std::size_t i_;
  const bool goes_on_;
  std::atomic<int> count_ = 0;
  std::atomic<int> error_ = 0;
  std::atomic<os::Call> failed_ = os::Call::count_;
  std::atomic<os::Call> spared_ = os::Call::count_;
  std::atomic<bool> lifted_ = false;
};

inline std::size_t descriptors_open() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

/// Runs `scenario` again and again, and each time another of its calls fails, or fails otherwise,
/// until there is no further call (promise 16). It is to take the Fault, to put it in place, and to
/// look at what came of it; that no descriptor stays open and that it ends is looked at here.
template <class Scenario>
void fail_each_call(Scenario scenario, int calls_min, bool goes_on) {
  constexpr int calls_max = 400;
  for (int n = 1; n < calls_max; ++n) {
    bool reached = true;
    bool failed = true;
    for (std::size_t i = 0; failed; ++i) {
      const std::size_t open_before = descriptors_open();
      const auto start = std::chrono::steady_clock::now();
      Fault fault(n, i, goes_on);
      scenario(fault);
      EXPECT_EQ(descriptors_open(), open_before) << fault.what();
      EXPECT_LT(std::chrono::steady_clock::now() - start, patience) << fault.what();
      if (::testing::Test::HasFailure()) {
        ADD_FAILURE() << fault.what();
        return;
      }
      reached = fault.reached();
      failed = fault.error() != 0;
    }
    if (reached) continue;
    EXPECT_GT(n, calls_min) << "it has more calls than that: is the seam in place?";
    return;
  }
  ADD_FAILURE() << "there is no end to its calls";
}

}  // namespace tincan::test

#endif
