#include "tincan/failure.h"

#include <cstring>

namespace tincan {

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::not_sent:
      return "not sent";
    case Outcome::declared:
      return "declared";
    case Outcome::unknown:
      return "unknown";
  }
  return "?";
}

std::string_view name(Cause cause) {
  switch (cause) {
    case Cause::deadline:
      return "deadline";
    case Cause::refused:
      return "refused";
    case Cause::no_server:
      return "no server";
    case Cause::not_tincan:
      return "not tincan";
    case Cause::closed:
      return "closed";
    case Cause::draining:
      return "draining";
    case Cause::too_large:
      return "too large";
    case Cause::exhausted:
      return "exhausted";
    case Cause::no_method:
      return "no method";
    case Cause::declared:
      return "declared";
    case Cause::cancelled:
      return "cancelled";
    case Cause::breach:
      return "breach";
    case Cause::held:
      return "held";
    case Cause::path:
      return "path";
    case Cause::usage:
      return "usage";
    case Cause::answered:
      return "answered";
    case Cause::forked:
      return "forked";
    case Cause::unsupported:
      return "unsupported";
    case Cause::system:
      return "system";
  }
  return "?";
}

namespace {

/// What to say when nobody gave a detail.
std::string_view sentence(Cause cause) {
  switch (cause) {
    case Cause::deadline:
      return "the time given ran out";
    case Cause::refused:
      return "a rule says no";
    case Cause::no_server:
      return "nobody listens there; start the server";
    case Cause::not_tincan:
      return "the server does not speak tincan";
    case Cause::closed:
      return "the connection has ended";
    case Cause::draining:
      return "the server is stopping; try again";
    case Cause::too_large:
      return "larger than a limit allows";
    case Cause::exhausted:
      return "out of descriptors, memory or places; try later";
    case Cause::no_method:
      return "the server has no such method";
    case Cause::declared:
      return "the handler answered with an error";
    case Cause::cancelled:
      return "the call was given up";
    case Cause::breach:
      return "the peer broke the protocol";
    case Cause::held:
      return "another process owns the path";
    case Cause::path:
      return "the path cannot be used";
    case Cause::usage:
      return "an argument is wrong";
    case Cause::answered:
      return "the request was answered before";
    case Cause::forked:
      return "this belongs to the parent process; make a new one in the child";
    case Cause::unsupported:
      return "not possible here";
    case Cause::system:
      return "a system call failed";
  }
  return "?";
}

/// True where the cause alone says that nothing was sent, or nothing was to be sent: the sentence
/// is better without the outcome in front.
bool speaks_for_itself(Cause cause) {
  switch (cause) {
    case Cause::too_large:
    case Cause::no_method:
    case Cause::held:
    case Cause::path:
    case Cause::usage:
    case Cause::answered:
    case Cause::forked:
    case Cause::unsupported:
      return true;
    default:
      return false;
  }
}

/// True where no server was found to send to, whatever was to be sent.
bool never_reached_a_server(Cause cause) {
  return cause == Cause::no_server || cause == Cause::not_tincan || cause == Cause::draining;
}

std::string prefix(const Failure& failure, bool of_call) {
  if (failure.cause() == Cause::refused) return "refused: ";
  if (failure.outcome() == Outcome::declared) return "declared: ";
  if (failure.outcome() == Outcome::unknown) return "unknown: ";
  const bool tells =
      never_reached_a_server(failure.cause()) || (of_call && !speaks_for_itself(failure.cause()));
  return tells ? "not sent: " : "";
}

}  // namespace

std::string Failure::explain() const {
  std::string text = prefix(*this, of_call_);
  text += detail_.empty() ? sentence(cause_) : detail_;
  const char* const system = system_error_ == 0 ? nullptr : strerrordesc_np(system_error_);
  const bool named = cause_ != Cause::system && cause_ != Cause::exhausted && !detail_.empty();
  if (system != nullptr && !named && text.find(system) == std::string::npos) {
    text.append(" (").append(system).append(")");
  }
  if (code_ != 0) text += " (code " + std::to_string(code_) + ")";
  if (outcome_ == Outcome::unknown) text += "; the server may have run the call";
  return text;
}

}  // namespace tincan
