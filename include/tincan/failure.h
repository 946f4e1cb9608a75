#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace tincan {

/// What a failed operation may have done at the other side. (A reply is the fourth way a call
/// ends.)
enum class Outcome : std::uint8_t {
  not_sent,  ///< The server cannot have run the call: retrying is safe.
  declared,  ///< The handler ran and answered with an error of its own.
  unknown,   ///< The server may have run the call: retry only what is idempotent.
};

/// Why an operation failed. Each says what to do about it.
enum class Cause : std::uint8_t {
  deadline,     ///< The time given ran out. Retry with more, or look at what holds the server up.
  refused,      ///< A rule of the server (or our check of it) says no. The detail names the rule.
  no_server,    ///< Nobody listens there. Start the server, or check the path.
  not_tincan,   ///< Somebody accepted us and does not speak tincan. Use the bytes level for those.
  closed,       ///< The peer ended the connection, or died.
  draining,     ///< The server is stopping and takes no new calls. Retry: its successor answers.
  too_large,    ///< A payload exceeds a limit; the detail names both sizes.
  exhausted,    ///< A count is used up: calls, connections, descriptors, memory. Retry later.
  no_method,    ///< The server has no such method; the detail lists those it has.
  declared,     ///< The handler answered with an error; the detail is its message.
  cancelled,    ///< The caller gave the call up.
  breach,       ///< The peer broke the protocol; that connection is closed.
  held,         ///< Another process owns the path; the detail names it.
  path,         ///< The path cannot be used; the detail says why and how to mend it.
  usage,        ///< An argument is wrong; the detail says which.
  answered,     ///< The request was answered before.
  forked,       ///< The object belongs to the parent process. Make a new one in the child.
  unsupported,  ///< This peer, kernel or address cannot do that.
  system,       ///< A system call failed in a way that has no better name; see system_error().
};

/// The field's word for each, as `explain()`, the tool and its JSON write them.
[[nodiscard]] std::string_view name(Outcome outcome);
[[nodiscard]] std::string_view name(Cause cause);

/// Why and how far something failed: an outcome, a cause, the system's errno, and detail in words.
///
/// Cost: text is allocated only when there is something to add. Threads: a value, like a string.
class [[nodiscard]] Failure {
 public:
  /// The end of an operation that is no call, or that never became one.
  explicit Failure(Cause cause, std::string detail = {}, int system_error = 0)
      : detail_(std::move(detail)), system_error_(system_error), cause_(cause) {}
  /// The end of a call; `explain()` then says how far it got.
  Failure(Outcome outcome, Cause cause, std::string detail = {}, int system_error = 0)
      : detail_(std::move(detail)),
        system_error_(system_error),
        outcome_(outcome),
        cause_(cause),
        of_call_(true) {}

  [[nodiscard]] Outcome outcome() const { return outcome_; }
  [[nodiscard]] Cause cause() const { return cause_; }
  /// The errno of the system call that failed; 0 when none did.
  [[nodiscard]] int system_error() const { return system_error_; }
  /// The application's own number, from `Request::fail`; 0 unless the cause is `declared`.
  [[nodiscard]] std::int32_t code() const { return code_; }
  /// Names the object, the limit, the rule or the holder; empty when there is nothing to add.
  [[nodiscard]] const std::string& detail() const { return detail_; }
  /// One sentence for a person: outcome (of a call), cause, object, next step. No trailing newline
  /// or full stop.
  [[nodiscard]] std::string explain() const;

  Failure& with_code(std::int32_t code) { return code_ = code, *this; }
  Failure& with_outcome(Outcome outcome) { return outcome_ = outcome, of_call_ = true, *this; }

 private:
  std::string detail_;
  int system_error_ = 0;
  std::int32_t code_ = 0;
  Outcome outcome_ = Outcome::not_sent;
  Cause cause_;
  bool of_call_ = false;
};

/// What every operation that can fail returns.
template <class T>
using Result = std::expected<T, Failure>;

/// Takes the value out of `result`, or prints why there is none on stderr and exits with 1.
/// For the `main` of small programs; libraries look at the failure instead.
template <class T>
T or_exit(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().explain().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace tincan
