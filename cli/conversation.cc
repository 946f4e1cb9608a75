#include "conversation.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "sizes.h"

namespace cli {

tincan::Outcome Conversation::outcome() const {
  return sent_ == 0 ? tincan::Outcome::not_sent : tincan::Outcome::unknown;
}

std::unexpected<BrokenOff> Conversation::fail_here(const char* what, int error) const {
  return std::unexpected(BrokenOff{ExitCode::failed, outcome(), tincan::Cause::system,
                                   fmt::format("{}: {}", what, std::strerror(error))});
}

std::unexpected<BrokenOff> Conversation::fail(const tincan::Failure& failure) const {
  const bool left = failure.cause() == tincan::Cause::closed;
  const std::string why = left ? "the peer left" : failure.explain();
  const std::string message =
      sent_ == 0 ? fmt::format("not sent: {}: {} before it was sent a byte", address_, why)
                 : fmt::format("unknown: {}: {} after {} {} sent, which it may have read", address_,
                               why, format_size(sent_), sent_ == 1 ? "was" : "were");
  return std::unexpected(BrokenOff{sent_ == 0 ? ExitCode::not_sent : ExitCode::unknown, outcome(),
                                   failure.cause(), message});
}

std::unexpected<BrokenOff> Conversation::fail_unread() const {
  return std::unexpected(BrokenOff{
      ExitCode::unknown, tincan::Outcome::unknown, tincan::Cause::closed,
      fmt::format("unknown: {}: the peer left before it had read all of the {} it was sent",
                  address_, format_size(sent_))});
}

Conversation::Turn Conversation::read_stdin() {
  const ssize_t count = ::read(STDIN_FILENO, outgoing_.bytes.data(), outgoing_.bytes.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return {};
  if (count < 0) return fail_here("cannot read stdin", errno);
  outgoing_.begin = 0;
  outgoing_.end = static_cast<std::size_t>(count);
  if (count == 0) {
    outgoing_.ended = true;
    stream_.finish();
  }
  return {};
}

Conversation::Turn Conversation::read_stream() {
  const auto read =
      stream_.read(std::as_writable_bytes(std::span(incoming_.bytes)), std::chrono::nanoseconds(0));
  if (!read && read.error().cause() == tincan::Cause::deadline) return {};
  if (!read) return fail(read.error());
  incoming_.begin = 0;
  incoming_.end = read->bytes;
  incoming_.ended = read->end;
  left_unread_ = left_unread_ || read->reset;
  received_ += read->bytes;
  return {};
}

Conversation::Turn Conversation::write_stdout() {
  // A pipe that is ready takes PIPE_BUF bytes without blocking (pipe(7)), perhaps no more.
  const std::string_view piece = incoming_.piece().substr(0, PIPE_BUF);
  const ssize_t count = ::write(STDOUT_FILENO, piece.data(), piece.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return {};
  if (count < 0) return fail_here("cannot write the output", errno);
  incoming_.begin += static_cast<std::size_t>(count);
  return {};
}

Conversation::Turn Conversation::write_stream() {
  const auto written = stream_.write(outgoing_.piece());
  if (!written) return fail(written.error());
  sent_ += outgoing_.piece().size();
  outgoing_.begin = outgoing_.end;
  return {};
}

Conversation::Turn Conversation::turn() {
  const bool wants_stdin = outgoing_.empty() && !outgoing_.ended;
  const bool wants_stream = incoming_.empty() && !incoming_.ended;
  const auto stream_events =
      static_cast<short>((wants_stream ? POLLIN : 0) | (outgoing_.empty() ? 0 : POLLOUT));
  // POLLHUP comes unasked and again at once: a stream that is gone is not looked at any more.
  pollfd ready[] = {{wants_stdin ? STDIN_FILENO : -1, POLLIN, 0},
                    {incoming_.empty() ? -1 : STDOUT_FILENO, POLLOUT, 0},
                    {peer_gone_ && stream_events == 0 ? -1 : stream_.fd(), stream_events, 0}};
  if (::poll(ready, std::size(ready), -1) < 0) return {};
  Turn done;
  if ((ready[2].revents & (POLLHUP | POLLERR)) != 0) peer_gone_ = true;
  if (ready[2].revents != 0 && wants_stream) done = read_stream();
  if (done && (ready[2].revents & POLLOUT) != 0) done = write_stream();
  if (done && ready[0].revents != 0) done = read_stdin();
  if (done && ready[1].revents != 0) done = write_stdout();
  return done;
}

Conversation::Turn Conversation::run() {
  while (!over()) {
    if (auto done = turn(); !done) return done;
  }
  // It may have left only after its end was read.
  if (auto done = read_stream(); !done) return done;
  return left_unread_ ? Turn(fail_unread()) : Turn();
}

}  // namespace cli
