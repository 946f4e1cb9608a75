#include "output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "text.h"

namespace cli {

namespace {

void say(std::string text) {
  text += '\n';
  // There is nowhere to report that stderr does not work.
  [[maybe_unused]] const int error = write_all(STDERR_FILENO, text);
}

}  // namespace

void fill_standard_descriptors() {
  for (int number = 0; number <= 2; ++number) {
    if (::fcntl(number, F_GETFD) != -1 || errno != EBADF) continue;
    // Open the wrong way round for 0 and 1, so that what is lost is reported. open(2) takes the
    // lowest free number, which is this one.
    const int access = number == STDOUT_FILENO ? O_RDONLY : O_WRONLY;
    if (::open("/dev/null", access) < 0) ::_exit(static_cast<int>(ExitCode::failed));
  }
}

int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd writable{.fd = descriptor, .events = POLLOUT, .revents = 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

ExitCode print(std::string_view bytes) {
  const int error = write_all(STDOUT_FILENO, bytes);
  if (error == 0) return ExitCode::success;
  complain(fmt::format("cannot write the output: {}", std::strerror(error)));
  return ExitCode::failed;
}

ExitCode print_untrusted(std::string_view bytes) {
  return ::isatty(STDOUT_FILENO) == 1 ? print(escaped(bytes)) : print(bytes);
}

ExitCode print_line(std::string_view line) { return print(escaped_line(line) + "\n"); }

void complain(std::string_view message) { remark(fmt::format("tincan: {}", message)); }

void complain(const tincan::Failure& failure) {
  if (failure.outcome() != tincan::Outcome::declared) return complain(failure.explain());
  say(fmt::format("tincan: {}", escaped(failure.explain())));
}

void remark(std::string_view line) { say(escaped_line(line)); }

}  // namespace cli
